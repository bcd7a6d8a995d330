import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { exportSafetensors } from "../../engine/file/export-safetensors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { fixture } from "../checkpoint/written.testing.ts";
import { trainOptions } from "../options.ts";
import { newSubject, oldSubject } from "./subject.ts";

const options = trainOptions.parse({
  architecture: { model_type: "gpt2", n_embd: 32, n_layer: 2, n_head: 2, n_positions: 8, layer_norm_epsilon: 1e-5 },
  data: "none.txt",
});

test("a pattern selects the trained parameters", async () => {
  using subject = await newSubject({ ...options, train: ["blk.1.ffn_*"] }, 5);
  const trained = subject.store.parameters.filter((parameter) => parameter.trained).map(({ name }) => name);
  expect(trained.toSorted()).toEqual(
    ["norm", "up", "down"].flatMap((part) => [`blk.1.ffn_${part}.bias`, `blk.1.ffn_${part}.weight`]).toSorted(),
  );
});

test.each(["blk.1.fnn_up.weight", "blk.1.ffn_up", "*1.ffnup*"])(
  "%s matches nothing: the error lists the nearest names",
  async (pattern) => {
    await expect(() => newSubject({ ...options, train: [pattern] }, 5)).rejects.toThrow(
      /^train: no parameter is named .*; the nearest names are .*"blk\.1\.ffn_up\.weight"/,
    );
  },
);

test("a misspelt auto is no parameter", async () => {
  await expect(() => newSubject({ ...options, freeze: ["atuo"] }, 5)).rejects.toThrow(
    /^freeze: no parameter is named "atuo"; did you mean "auto"\?$/,
  );
});

test("matrices of a new model have the deviation of its configuration", async () => {
  const deviationOf = async (initial: object) => {
    const architecture = { ...options.architecture, ...initial };
    using subject = await newSubject({ ...options, architecture }, 5);
    const values = subject.store.valuesOf(subject.store.parameter("blk.0.ffn_up.weight"));
    return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  };
  expect(await deviationOf({})).toBeCloseTo(0.02, 2);
  expect(await deviationOf({ initializer_range: 0.1 })).toBeCloseTo(0.1, 2);
  await expect(() => deviationOf({ initializer_range: -1 })).rejects.toThrow(
    "architecture: initializer_range is -1, expected a number above 0",
  );
});

test("a new gpt-oss starts without biases, and its sinks weigh as much as a key of score 0", async () => {
  const architecture = {
    ...{ model_type: "gpt_oss", hidden_size: 32, intermediate_size: 16, num_hidden_layers: 2, head_dim: 16 },
    ...{ num_attention_heads: 2, num_key_value_heads: 1, num_local_experts: 2, num_experts_per_tok: 1 },
    ...{ max_position_embeddings: 64, rope_parameters: { rope_type: "default", rope_theta: 10000 } },
  };
  using subject = await newSubject({ ...options, architecture }, 5);
  const valuesOf = (name: string) => new Set(subject.store.valuesOf(subject.store.parameter(`blk.1.${name}`)));
  for (const name of ["attn_sinks.weight", "attn_q.bias", "ffn_gate_inp.bias", "ffn_up_exps.bias"])
    expect([...valuesOf(name)], name).toEqual([0]);
  expect([...valuesOf("attn_norm.weight")]).toEqual([1]);
  expect(valuesOf("ffn_up_exps.1/2.weight").size).toBeGreaterThan(100);
});

test("MXFP4 weights cannot be trained, nor can those beside them", async () => {
  const checkpoint = openCheckpoint(fixture("gpt_oss-mxfp4"));
  await expect(() => oldSubject(options, checkpoint)).rejects.toThrow(
    "weights in MXFP4 cannot be trained; use --lora, or the model's weights as floats",
  );
});

test("a GGUF cannot be trained itself, but the folder of its weights can", async () => {
  const gguf = openCheckpoint(fixture("llama-tiny.gguf"));
  await expect(() => oldSubject(options, gguf)).rejects.toThrow(
    /a GGUF's own weights cannot be trained; use --lora, or .*llama-tiny\.gguf DIR --format safetensors` writes$/,
  );
  const root = mkdtempSync(path.join(tmpdir(), "modicum-subject-"));
  const { folder } = await exportSafetensors(gguf.path, path.join(root, "model"), "F32");
  using subject = await oldSubject(options, openCheckpoint(folder));
  const values = subject.store.valuesOf(subject.store.parameter("token_embd.weight"));
  expect([...values]).toEqual([...gguf.floats(gguf.tensors.get("token_embd.weight")!)]);
  expect(subject.store.parameters.every(({ trained }) => trained)).toBe(true);
  rmSync(root, { recursive: true });
});
