import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { graphCost } from "../../graph/cost.ts";
import { evalDim } from "../../graph/dim.ts";
import { UserError } from "../../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { asStored } from "../../weights/prepared/stored.ts";
import { deepSeekV2 } from "../architectures/deepseek-v2.ts";
import { glm4Moe } from "../architectures/glm4-moe.ts";
import { jetmoe } from "../architectures/jetmoe.ts";
import { mixtral } from "../architectures/mixtral.ts";
import { traceDense } from "../programs/segments.ts";
import { Stack } from "../programs/stack.testing.ts";
import { openDecoder, readsTextAlone } from "../registry.ts";
import { countParameters } from "./count-parameters.ts";
import type { TransformerConfig } from "./transformer.ts";

type Json = Record<string, unknown>;

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const configOf = (name: string): Json => JSON.parse(readFileSync(path.join(fixture(name), "config.json"), "utf8"));
const source = (config: Json) => ({ kind: "huggingface", path: "config.json", config }) as const;

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-experts-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const JETMOE_8B = {
  model_type: "jetmoe",
  ...{ hidden_size: 2048, num_layers: 24, ffn_hidden_size: 5632, vocab_size: 32000, n_positions: 4096 },
  ...{ num_attention_heads: 32, num_key_value_heads: 16, kv_channels: 128, moe_num_experts: 8, moe_top_k: 2 },
  ...{ activation_function: "silu", glu: true, bias: true, rms_norm_eps: 1e-5, tie_word_embeddings: true },
};

test("JetMoE-8B's parameters follow from its authors' configuration", () => {
  const count = countParameters(jetmoe, source(JETMOE_8B), () => false);
  expect(count).toEqual({ total: 8_522_237_952, active: 2_331_445_248, activeWithoutEmbedding: 2_265_909_248 });
});

test("DeepSeek-V2-Lite's parameters follow from its configuration", () => {
  const config = {
    ...{ hidden_size: 2048, num_hidden_layers: 27, intermediate_size: 10944, vocab_size: 102400 },
    ...{ num_attention_heads: 16, num_key_value_heads: 16, q_lora_rank: null, kv_lora_rank: 512, v_head_dim: 128 },
    ...{ n_routed_experts: 64, num_experts_per_tok: 6, n_shared_experts: 2, moe_intermediate_size: 1408 },
    ...{ first_k_dense_replace: 1, max_position_embeddings: 163840 },
  };
  const count = countParameters(deepSeekV2, source(config), (name) => name === "output.weight");
  expect(count).toEqual({ total: 15_706_484_224, active: 2_661_150_208, activeWithoutEmbedding: 2_451_435_008 });
});

test("JetMoE's two dialects say the same", () => {
  const own = configOf("jetmoe");
  const official = {
    ...own,
    ...{ ffn_hidden_size: own["intermediate_size"], moe_num_experts: own["num_local_experts"] },
    ...{ moe_top_k: own["num_experts_per_tok"], num_layers: own["num_hidden_layers"] },
    n_positions: own["max_position_embeddings"],
  };
  for (const key of ["intermediate_size", "num_local_experts", "num_experts_per_tok", "num_hidden_layers"])
    delete official[key as keyof typeof official];
  delete official["max_position_embeddings" as keyof typeof official];
  const read = (config: Json) => JSON.stringify(jetmoe.configure(source(config)));
  expect(read(official)).toBe(read(own));
  expect(() => read({ ...official, moe_top_k: 9 })).toThrow('"moe_top_k" is 9, expected at most the 4 experts');
});

describe("what cannot be is refused by name", () => {
  test.each<[Json, string]>([
    [{ num_experts_per_tok: 5 }, '"num_experts_per_tok" is 5, expected at most the 4 experts'],
    [{ num_experts_per_tok: 0 }, '"num_experts_per_tok" is 0, expected a whole number from 1 to 1024'],
    [{ num_local_experts: 2.5 }, '"num_local_experts" is 2.5, expected a whole number'],
    [{ num_local_experts: undefined }, '"num_local_experts" is missing, expected a number'],
    [{ expert_capacity: 64 }, '"expert_capacity" is 64, expected no capacity'],
  ])("%j", (changes, sentence) => {
    const attempt = () => mixtral.configure(source({ ...configOf("mixtral"), ...changes }));
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });

  test.each<[Json, string]>([
    [{ n_group: 4 }, '"n_group" is 4, expected a divisor of the 9 experts'],
    [{ n_group: 9 }, '"n_group" is 9, expected a divisor of the 9 experts'],
    [{ topk_group: 0 }, '"topk_group" is 0, expected a whole number above 0'],
    [{ num_experts_per_tok: 7 }, '"topk_group" is 2, expected groups with at least 7 experts in total'],
    [{ n_shared_experts: 0 }, '"n_shared_experts" is 0, expected a number of experts that run for every token'],
    [{ norm_topk_prob: 1 }, '"norm_topk_prob" is 1, expected true or false'],
  ])("GLM-4.5: %j", (changes, sentence) => {
    const attempt = () => glm4Moe.configure(source({ ...configOf("glm4_moe"), ...changes }));
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });

  test.each<[Json, string]>([
    [{ norm_topk_prob: true }, '"norm_topk_prob" is true, expected false'],
    [{ topk_method: "noaux_tc" }, '"topk_method" is "noaux_tc", expected "greedy" or "group_limited_greedy"'],
    [{ scoring_func: "sigmoid" }, '"scoring_func" is "sigmoid", expected "softmax"'],
    [{ moe_layer_freq: 2 }, '"moe_layer_freq" is 2, expected 1'],
    [{ v_head_dim: 64 }, "value heads have width 64, expected at most the keys' 48"],
    [{ qk_rope_head_dim: 8 }, "the head size's rotated part must be a multiple of 16, got 8"],
    [{ qk_nope_head_dim: 24 }, "the head size must be a multiple of 16, got 40"],
    [{ kv_lora_rank: 0.5 }, "the model's rank: Invalid input: expected int"],
  ])("DeepSeek-V2: %j", (changes, sentence) => {
    const attempt = () => deepSeekV2.configure(source({ ...configOf("deepseek_v2"), ...changes }));
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });

  test("query heads that are not the active experts'", () => {
    const attempt = () => jetmoe.configure(source({ ...configOf("jetmoe"), num_attention_heads: 6 }));
    expect(attempt).toThrow('"num_attention_heads" is 6, expected 2 key-value heads · 2 active experts');
  });
});

/** Opens a fixture with changed tensors. */
async function changed(
  name: string,
  change: (tensors: Map<string, Checkpoint["tensors"] extends ReadonlyMap<string, infer T> ? T : never>) => void,
) {
  const base = openCheckpoint(fixture(name));
  const tensors = new Map(base.tensors);
  change(tensors);
  const checkpoint = { ...base, tensors };
  const { decoder, weights } = await openDecoder(checkpoint, path.join(prepared, "refused"), "f32");
  return () => weights.review(() => traceDense(decoder));
}

describe("experts' tensors that do not fit are listed", () => {
  test("missing ones", async () => {
    const review = await changed("mixtral", (tensors) => {
      for (const part of ["w1", "w2"]) tensors.delete(`model.layers.1.block_sparse_moe.experts.3.${part}.weight`);
    });
    expect(review).toThrow('experts.3.w1.weight" is missing');
    expect(review).toThrow('experts.3.w2.weight" is missing');
  });

  test("stacks of other halves, or of other numbers of experts", async () => {
    const name = "model.layers.0.mlp.input_linear.weight";
    const reshaped = (shape: readonly number[]) =>
      changed("jetmoe", (tensors) => void tensors.set(name, { ...tensors.get(name)!, shape }));
    expect(await reshaped([4, 40, 32])).toThrow(`tensor "${name}" has shape [4, 40, 32], expected [4, 80, 32]`);
    expect(await reshaped([8, 40, 32])).toThrow(`tensor "${name}" has shape [8, 40, 32], expected [4, 80, 32]`);
  });
});

test("matrices of latent heads in a GGUF of other sizes are listed", async () => {
  const name = "blk.0.attn_k_b.weight";
  const reshaped = (shape: readonly number[]) =>
    changed("deepseek_v3/model.gguf", (tensors) => void tensors.set(name, { ...tensors.get(name)!, shape }));
  expect(await reshaped([2, 32, 20])).toThrow(`tensor "${name}" has shape [2, 32, 20], expected [2, 20, 32]`);
  expect(await reshaped([2, 20, 32])).not.toThrow();
});

test("layers that predict further tokens are not read, and are no images", async () => {
  const base = openCheckpoint(fixture("glm4_moe"));
  const { shape, ...tensor } = base.tensors.get("model.norm.weight")!;
  const further = ["eh_proj", "input_layernorm"].map((part) => `model.layers.4.${part}.weight`);
  const more = further.map((name) => [name, { ...tensor, name, shape }] as const);
  const checkpoint = { ...base, tensors: new Map([...base.tensors, ...more]) };
  expect(glm4Moe.unread(checkpoint)).toEqual(further);
  expect(await readsTextAlone(checkpoint)).toBe(false);
  const { decoder, weights } = await openDecoder(checkpoint, path.join(prepared, "further"), "f32");
  expect(() => weights.review(() => traceDense(decoder))).not.toThrow();
});

test("a router with NaN is refused before anything runs", async () => {
  const base = openCheckpoint(fixture("mixtral"));
  const floats: Checkpoint["floats"] = (tensor, rows) => {
    const values = base.floats(tensor, rows);
    return tensor.name.endsWith("1.block_sparse_moe.gate.weight") ? values.with(7, Number.NaN) : values;
  };
  const { decoder } = await openDecoder({ ...base, floats }, path.join(prepared, "nan"), "f32");
  expect(() => traceDense(decoder)).toThrow("the router blk.1.ffn_gate_inp has NaN in its weights");
});

test("a token's FLOPs are two for each active parameter, and one expert's keys and values are cached", async () => {
  const config = source(JETMOE_8B);
  const none = () => {
    throw new Error("there are no weights");
  };
  const checkpoint = { path: "", files: [], architecture: "jetmoe", tensors: new Map(), config };
  const { decoder, weights } = await openDecoder(
    { ...checkpoint, floats: none, form: () => undefined, blocks: none },
    "",
  );
  const graphs = weights.imagined(() => traceDense(decoder));
  const flops = graphs.reduce((sum, g) => sum + evalDim(graphCost(g).flops, { batch: 1, tokens: 1, past: 0 }), 0);
  // The token table is also the head.
  expect(flops / 2 / 2_331_445_248).toBeCloseTo(1, 2);
  expect(decoder.config).toMatchObject({ heads: 32, kvHeads: 16, headSize: 128 });
});

test("a GGUF's experts may be one by one, as in the first files", async () => {
  const base = openCheckpoint(path.join(fixture("mixtral"), "model.gguf"));
  const name = "blk.0.ffn_down_exps.weight";
  const tensors = new Map(base.tensors);
  tensors.delete(name);
  for (let e = 0; e < 4; e++)
    tensors.set(`blk.0.ffn_down.${e}.weight`, { ...base.tensors.get(name)!, shape: [32, 40] });
  const { decoder, weights } = await openDecoder({ ...base, tensors }, path.join(prepared, "apart"), "f32");
  expect(() => weights.review(() => traceDense(decoder))).not.toThrow();
  tensors.delete("blk.0.ffn_down.2.weight");
  const fewer = await openDecoder({ ...base, tensors }, path.join(prepared, "fewer"), "f32");
  expect(() => fewer.weights.review(() => traceDense(fewer.decoder))).toThrow(`tensor "${name}" is missing`);
});

describe("JetMoE's checkpoint", () => {
  const tokens = [3, 14, 15, 9, 26, 5];

  async function logits(
    config: Partial<TransformerConfig> = {},
    change: (values: Float32Array, name: string) => void = () => {},
  ) {
    const base = openCheckpoint(fixture("jetmoe"));
    const floats: Checkpoint["floats"] = (tensor, rows) => {
      const values = base.floats({ ...tensor, shape: base.tensors.get(tensor.name)!.shape });
      change(values, tensor.name);
      const width = tensor.shape.slice(1).reduce((a, b) => a * b, 1);
      return rows ? values.slice(rows[0] * width, rows[1] * width) : values;
    };
    const folder = mkdtempSync(path.join(prepared, "run-"));
    const { decoder, weights } = await openDecoder({ ...base, floats }, folder, "f32");
    Object.assign(decoder.config, config);
    using stack = await Stack.compile(decoder, weights, "whole");
    return await stack.run(tokens);
  }

  const difference = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

  test("reads halves, keys and values, and norms as its authors do: other orders give other logits", async () => {
    const plain = await logits();
    const halves = (part: string) => (values: Float32Array, name: string) => {
      if (!name.includes(part)) return;
      const matrices = name.includes("input_linear") ? 4 : 1;
      const half = values.length / matrices / 2;
      for (let m = 0; m < matrices; m++) {
        const first = values.slice(2 * m * half, (2 * m + 1) * half);
        values.copyWithin(2 * m * half, (2 * m + 1) * half, (2 * m + 2) * half);
        values.set(first, (2 * m + 1) * half);
      }
    };
    expect(difference(plain, await logits({}, halves("mlp.input_linear")))).toBeGreaterThan(1e-2);
    expect(difference(plain, await logits({}, halves("kv_proj")))).toBeGreaterThan(1e-2);
    expect(difference(plain, await logits({ layerEpsilon: 1e-2 }))).toBeGreaterThan(1e-3);
  });

  test("is written as it was read", () => {
    const checkpoint = openCheckpoint(fixture("jetmoe"));
    const name = "model.layers.1.mlp.input_linear.weight";
    const stored = checkpoint.tensors.get(name)!;
    const whole = checkpoint.floats(stored);
    const each = whole.length / 8;
    const blocks = [0, 1, 2, 3].flatMap((e) =>
      ["ffn_gate_exps", "ffn_up_exps"].map((part, half) => {
        const at = (2 * e + half) * each;
        const tensor = { shape: [40, 32], values: () => whole.slice(at, at + each) };
        return [`blk.1.${part}.${e}/4.weight`, tensor] as const;
      }),
    );
    const written = asStored(jetmoe.tensors(checkpoint), new Map(blocks)).get(name)!;
    expect(written.shape).toEqual([4, 80, 32]);
    expect(written.values()).toEqual(whole);
    expect(() => asStored(jetmoe.tensors(checkpoint), new Map(blocks.slice(1)))).toThrow("7 of its 8 blocks");
  });
});
