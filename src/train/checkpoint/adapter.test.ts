import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../models/adapter-layout.ts";
import { bert } from "../../models/bert.ts";
import { gpt2 } from "../../models/gpt2.ts";
import { llama } from "../../models/llama.ts";
import { openDecoder } from "../../models/registry.ts";
import { seededRandom } from "../../util/random.ts";
import { Branches, type Layout } from "../../weights/adapter/branches.ts";
import { openLora } from "../../weights/adapter/lora.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { type LoraFactors, type WritableAdapter, writeAdapter } from "./adapter.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-adapter-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));

const RANK = 4;
const random = seededRandom(1);
const values = (length: number) => Float32Array.from({ length }, () => random() - 0.5);
function factors(inputs: number, outputs: number): LoraFactors {
  const [down, up] = [values(inputs * RANK), values(RANK * outputs)];
  return { inputs, outputs, down: () => down, up: () => up };
}

describe.each([
  { file: "llama-biased", architecture: llama, matrices: ["attn_q", "attn_v", "ffn_down"] },
  { file: "llama-tiny.gguf", architecture: llama, matrices: ["attn_q", "attn_k", "attn_v"] },
  { file: "gpt2", architecture: gpt2, matrices: ["attn_qkv", "ffn_up"] },
])("$file", ({ file, architecture, matrices }) => {
  const checkpoint = openCheckpoint(fixture(file));
  const names = architecture.tensors(checkpoint);
  const { decoder } = openDecoder(checkpoint, path.join(folder, `${file}-weights`), "f32");
  const { layers, hidden, heads, kvHeads, headSize } = decoder.config;
  const [query, key] = [heads * headSize, kvHeads * headSize];
  const ffn = "ffn" in decoder.config ? Number(decoder.config.ffn) : 0;
  const sizes: Record<string, readonly [inputs: number, outputs: number]> = {
    attn_q: [hidden, query],
    attn_k: [hidden, key],
    attn_v: [hidden, key],
    attn_qkv: [hidden, query + 2 * key],
    ffn_up: [hidden, ffn],
    ffn_down: [ffn, hidden],
  };
  const layout = layoutOf(checkpoint, architecture, decoder);
  const all = Array.from({ length: layers }, (_, layer) =>
    matrices.map((m) => [`blk.${layer}.${m}`, sizes[m]!] as const),
  );
  const made = new Map(all.flat().map(([name, [inputs, outputs]]) => [name, factors(inputs, outputs)]));
  const adapter: WritableAdapter = {
    ...{ base: file, task: "CAUSAL_LM", rank: RANK, alpha: 2 * RANK, layout, names, factors: made },
  };

  test("what is written is read as what was trained", async () => {
    await writeAdapter(path.join(folder, file), adapter);
    const branches = new Branches(openLora(path.join(folder, file)), layout);
    for (const [name, { inputs, outputs, down, up }] of made) {
      const branch = branches.matrix(inputs, { [name]: outputs })!;
      expect(branch.down).toEqual(down());
      expect(branch.up).toEqual(up().map((value) => 2 * value));
    }
    branches.check(file);
  });

  test("the settings name the modules that are there, and no others", async () => {
    await writeAdapter(path.join(folder, file), adapter);
    const config = JSON.parse(readFileSync(path.join(folder, file, "adapter_config.json"), "utf8"));
    expect(config.target_modules).toEqual([...openLora(path.join(folder, file)).updates.keys()]);
    expect(config.fan_in_fan_out).toBe(file === "gpt2");
  });
});

test("a model of hidden states alone leaves the outermost name away", async () => {
  const layout: Layout = { modules: bert.modules, row: (_, row) => row };
  const made = new Map([["blk.0.attn_q", factors(8, 8)]]);
  const shared = { base: "b", rank: RANK, alpha: 1, layout, names: (name: string) => name, factors: made };
  const modulesFor = async (task: WritableAdapter["task"]) => {
    await writeAdapter(path.join(folder, task), { ...shared, task });
    return [...openLora(path.join(folder, task)).updates.keys()];
  };
  expect(await modulesFor("FEATURE_EXTRACTION")).toEqual(["encoder.layer.0.attention.self.query"]);
  expect(await modulesFor("SEQ_CLS")).toEqual(["bert.encoder.layer.0.attention.self.query"]);
});
