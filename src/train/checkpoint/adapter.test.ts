import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bert } from "../../models/architectures/bert.ts";
import { gpt2 } from "../../models/architectures/gpt2.ts";
import { llama } from "../../models/architectures/llama.ts";
import { openDecoder } from "../../models/registry.ts";
import { layoutOf } from "../../models/tensors/adapter-layout.ts";
import { seededRandom } from "../../util/random.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { type Layout, LoraLayers } from "../../weights/adapter/lora-layers.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { loraOptions } from "../options.ts";
import { type WritableAdapter, writeAdapter } from "./adapter.ts";
import { factorsOf, fixture, tensorsOf } from "./written.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));
const RANK = 4;
const random = seededRandom(1);

describe.each([
  { file: "llama-biased", architecture: llama, matrices: ["attn_q", "attn_v", "ffn_down"] },
  { file: "llama-tiny.gguf", architecture: llama, matrices: ["attn_q", "attn_k", "attn_v"] },
  { file: "gpt2", architecture: gpt2, matrices: ["attn_qkv", "ffn_up"] },
])("$file", async ({ file, architecture, matrices }) => {
  const checkpoint = openCheckpoint(fixture(file));
  const names = architecture.tensors(checkpoint);
  const { decoder } = await openDecoder(checkpoint, path.join(folder, `${file}-weights`), "f32");
  const layout = layoutOf(checkpoint, architecture, decoder);
  const factors = factorsOf(tensorsOf(checkpoint, architecture, names), matrices, RANK, random);
  const adapter: WritableAdapter = {
    ...{
      base: file,
      task: "CAUSAL_LM",
      lora: loraOptions.parse({ rank: RANK, alpha: 2 * RANK }),
      layout,
      names,
      factors: factors,
    },
  };

  test("a written adapter reads back as it was trained", async () => {
    await writeAdapter(path.join(folder, file), adapter);
    const loraLayers = new LoraLayers(openLora(path.join(folder, file)), layout);
    for (const [name, { inputs, outputs, down, up }] of factors) {
      const loraLayer = loraLayers.matrix(inputs, { [name]: outputs })!;
      expect(loraLayer.down).toEqual(down());
      expect(loraLayer.up).toEqual(up().map((value) => 2 * value));
    }
    loraLayers.check(file);
  });

  test("the settings name the modules of the model, and no others", async () => {
    await writeAdapter(path.join(folder, file), adapter);
    const config = JSON.parse(readFileSync(path.join(folder, file, "adapter_config.json"), "utf8"));
    expect(config.target_modules).toEqual([...openLora(path.join(folder, file)).updates.keys()]);
    expect(config.fan_in_fan_out).toBe(file === "gpt2");
  });
});

test("a model of hidden states alone omits the outermost name", async () => {
  const layout: Layout = { modules: bert.modules, row: (_, row) => row };
  const table = new Map([["blk.0.attn_q.weight", { shape: [8, 8], values: () => new Float32Array(64) }]]);
  const factors = factorsOf(table, ["attn_q"], RANK, random);
  const shared = {
    base: "b",
    lora: loraOptions.parse({ rank: RANK, alpha: 1 }),
    layout,
    names: (name: string) => name,
    factors: factors,
  };
  const modulesFor = async (task: WritableAdapter["task"]) => {
    await writeAdapter(path.join(folder, task), { ...shared, task });
    return [...openLora(path.join(folder, task)).updates.keys()];
  };
  expect(await modulesFor("FEATURE_EXTRACTION")).toEqual(["encoder.layer.0.attention.self.query"]);
  expect(await modulesFor("SEQ_CLS")).toEqual(["bert.encoder.layer.0.attention.self.query"]);
});
