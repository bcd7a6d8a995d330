import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { gpt2 } from "../../models/architectures/gpt2.ts";
import { llama } from "../../models/architectures/llama.ts";
import { qwen3 } from "../../models/architectures/qwen3.ts";
import type { Architecture } from "../../models/decoder/decoder.ts";
import { Stack } from "../../models/programs/stack.testing.ts";
import { openDecoder } from "../../models/registry.ts";
import { layoutOf } from "../../models/tensors/adapter-layout.ts";
import { seededRandom } from "../../util/random.ts";
import { type Lora, openLora } from "../../weights/adapter/lora.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { loraOptions } from "../options.ts";
import { writeAdapter } from "./adapter.ts";
import { writeModel } from "./model.ts";
import { configOf, factorsOf, fixture, tensorsOf } from "./written.testing.ts";

/** A Python environment with the packages of tools/reference/train.txt. */
const venv = fileURLToPath(new URL("../../../.ci/venv", import.meta.url));
const script = fileURLToPath(new URL("../../../tools/reference/check_trained.py", import.meta.url));
const libraries = path.join(venv, "lib");
const there =
  existsSync(libraries) &&
  readdirSync(libraries).some((version) => existsSync(path.join(libraries, version, "site-packages", "peft")));
if (!there)
  console.warn(
    "Trained models in Python: not tested, since .ci/venv has no PEFT (pip install -r tools/reference/train.txt)",
  );

const root = mkdtempSync(path.join(tmpdir(), "modicum-train-python-"));
afterAll(() => rmSync(root, { recursive: true }));

const ids = [3, 1, 4, 1, 5, 9, 2, 6];
const RANK = 4;
interface Case {
  readonly name: string;
  readonly architecture: Architecture;
  readonly matrices: readonly string[];
  /** Tables for which the adapter has its own token rows. */
  readonly tables: readonly string[];
  readonly use_dora?: boolean;
}
const cases: readonly Case[] = [
  {
    ...{ name: "llama-biased", architecture: llama, matrices: ["attn_q", "attn_v", "ffn_down"] },
    tables: ["token_embd", "output"],
  },
  {
    ...{ name: "gpt2", architecture: gpt2, matrices: ["attn_qkv", "attn_output", "ffn_down"] },
    ...{ tables: ["token_embd"], use_dora: true },
  },
  { name: "qwen3", architecture: qwen3, matrices: ["attn_q", "attn_k", "ffn_gate"], tables: [] },
];

/** Writes `model`, `adapter` and `logits.json` into a folder. */
async function write({ name, architecture, matrices, tables, use_dora }: Case): Promise<string> {
  const folder = path.join(root, name);
  const [model, adapter] = ["model", "adapter"].map((part) => path.join(folder, part)) as [string, string];
  const original = openCheckpoint(fixture(name));
  const names = architecture.tensors({ ...original, tensors: new Map() });
  const tensors = tensorsOf(original, architecture, architecture.tensors(original));
  await writeModel(model, { config: configOf(original), names, tensors });
  const written = openCheckpoint(model);
  const logits = async (lora?: Lora) => {
    const { decoder, weights } = await openDecoder(written, path.join(folder, "weights"), "f32", lora);
    using stack = await Stack.compile(decoder, weights, "layers");
    return Buffer.from((await stack.run(ids)).buffer).toString("base64");
  };
  const { decoder } = await openDecoder(written, path.join(folder, "weights"), "f32");
  const { vocabulary, hidden } = decoder.config;
  const tokens = [ids[1]!, ids[5]!, vocabulary, vocabulary + 1];
  const random = seededRandom(3);
  const rows = Float32Array.from({ length: tokens.length * hidden }, () => random() - 0.5);
  await writeAdapter(adapter, {
    ...{ base: model, task: "CAUSAL_LM", lora: loraOptions.parse({ rank: RANK, alpha: 2 * RANK, use_dora }), names },
    layout: layoutOf(written, architecture, decoder),
    factors: factorsOf(tensors, matrices, RANK, seededRandom(2)),
    rows: tables.map((table) => ({ table, ids: tokens, values: () => rows })),
  });
  const input = { ids, model: await logits(), adapted: await logits(openLora(adapter)) };
  expect(input.adapted).not.toBe(input.model);
  writeFileSync(path.join(folder, "logits.json"), JSON.stringify(input));
  return folder;
}

test.skipIf(!there)(
  "transformers and PEFT open a trained model, and compute the same results",
  async () => {
    const folders: string[] = [];
    for (const one of cases) folders.push(await write(one));
    const { stdout } = await promisify(execFile)(path.join(venv, "bin", "python"), [script, ...folders]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ name }) => name)).toEqual(cases.map(({ name }) => name));
    for (const { model, adapted, amiss } of lines) {
      expect(amiss).toEqual([]);
      expect(model).toBeLessThan(1e-4);
      expect(adapted).toBeLessThan(1e-4);
    }
  },
  300_000,
);
