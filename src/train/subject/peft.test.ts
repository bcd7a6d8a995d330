import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { safetensorsFile } from "../../weights/safetensors/read.ts";
import { fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";
import { loraOptions, trainOptions } from "../options.ts";
import { TrainingRun } from "../session/run.ts";
import { loraSubject } from "./lora-subject.ts";

/** Compares trained adapters with PEFT's: tools/reference/adapter_training.py. */
const fixtures = path.join(import.meta.dirname, "fixtures");
const models = path.join(import.meta.dirname, "../../models/fixtures");
const folder = mkdtempSync(path.join(tmpdir(), "modicum-peft-"));
afterAll(() => rmSync(folder, { recursive: true }));

const gguf = openCheckpoint(path.join(models, "llama-tiny.gguf")).config;
if (gguf.kind !== "gguf") throw new Error("the fixture is no GGUF");
const base = {
  ...{ name: "llama-biased", checkpoint: openCheckpoint(path.join(models, "llama-biased")) },
  ...{ prepared: path.join(folder, "prepared"), tokenizer: new Tokenizer(fromGguf(gguf.metadata)) },
};

const tokens = 12;
const training = {
  ...{ rows: 1, tokens, batches: 3, samples: 3, dropped: { long: 0, unlabelled: 0 } },
  batch(step: number) {
    const at = (i: number) => (7 * i + 3 + 5 * step) % 72;
    const ids = Int32Array.from({ length: tokens }, (_, i) => at(i));
    return { rows: 1, tokens, ids, labels: ids.map((_, i) => at(i + 1)), labelled: tokens, samples: 1 };
  },
};

const tensorsIn = (adapter: string) => {
  const { tensors, floats } = safetensorsFile(path.join(adapter, "adapter_model.safetensors"));
  return new Map([...tensors].map(([name, tensor]) => [name, floats(tensor)]));
};

const gap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), a.length === b.length ? 0 : Number.NaN);

/** Trains a fixture's adapter; returns the losses and the written tensors. */
async function trained(name: string, changed: object) {
  const lora = loraOptions.parse({ rank: 4, alpha: 6, ...changed });
  const options = trainOptions.parse({
    ...{ data: "x", lora, steps: 3, optimizer: { lr: 0.01 }, schedule: { name: "constant" } },
  });
  const subject = await loraSubject(lora, base, { quant: "f32", seed: 0 });
  subject.startFrom!(path.join(fixtures, name, "start"));
  using run = await TrainingRun.open(options, subject, { training, heldOut: undefined, hash: "" });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push((await run.step()).loss);
  const out = path.join(folder, name);
  await subject.write(out);
  return { losses, tensors: tensorsIn(out), out };
}

/** The largest difference between written tensors and PEFT's; both must have the same names. */
function difference(name: string, tensors: ReadonlyMap<string, Float32Array>): number {
  const theirs = tensorsIn(path.join(fixtures, name, "trained"));
  expect([...tensors.keys()].sort()).toEqual([...theirs.keys()].sort());
  return Math.max(...[...theirs].map(([key, values]) => gap(tensors.get(key)!, values)));
}

const QVD = String.raw`model\.layers\.\d\.(self_attn\.[qv]|mlp\.down)_proj`;

test.each([
  { name: "rslora", options: { targets: QVD, use_rslora: true }, without: { use_rslora: false } },
  {
    name: "loraplus",
    options: { targets: "k_proj,layers.1.mlp.up_proj", loraplus_lr_ratio: 8 },
    without: { loraplus_lr_ratio: 1 },
  },
  {
    name: "saved",
    options: { targets: "q_proj", modules_to_save: "lm_head,embed_tokens" },
    without: { loraplus_lr_ratio: 3 },
  },
  {
    name: "dora",
    options: { targets: "q_proj,v_proj,o_proj,down_proj", use_dora: true },
    without: undefined,
  },
])("$name: losses and trained values equal PEFT's", async ({ name, options, without }) => {
  const expected: number[] = JSON.parse(readFileSync(path.join(fixtures, name, "losses.json"), "utf8"));
  const { losses, tensors } = await trained(name, options);
  for (const [i, loss] of losses.entries()) expect(loss).toBeCloseTo(expected[i]!, 5);
  expect(difference(name, tensors)).toBeLessThan(1e-5);
  if (!without) {
    const start = trained(name, { ...options, use_dora: false });
    await expect(start).rejects.toThrow(/^start: .*start is a DoRA; expected lora.use_dora=true$/);
    return;
  }
  const plain = await trained(name, { ...options, ...without });
  expect(difference(name, plain.tensors)).toBeGreaterThan(1e-3);
});

test.each([
  ["q_proj,k_prj", /no matrix is named "k_prj"; did you mean "k_proj"\? \(there are attn_q, q_proj, .*\)$/],
  [String.raw`.*\.query`, /".*query" matches no matrix's whole name \(there are attn_q, q_proj, .*\)$/],
  ["(q_proj", /lora.targets: "\(q_proj" is neither a regular expression nor a comma-separated list$/],
  ["blk.7.attn_q", /no matrix is named "blk.7.attn_q"/],
])("targets %s are refused in one sentence", async (targets, message) => {
  await expect(loraSubject(loraOptions.parse({ targets }), base, { quant: "f32", seed: 0 })).rejects.toThrow(message);
});

test.each([
  [
    "lm_haed",
    "llama-biased",
    /modules_to_save: the model has no module "lm_haed" \(known modules: .*embed_tokens, lm_head\)$/,
  ],
  [
    "lm_head",
    "ernie4_5",
    /modules_to_save: the model's head is tied to its token table, so neither can be trained without the other$/,
  ],
])("modules_to_save %s of %s is refused in one sentence", async (modules_to_save, name, message) => {
  const checkpoint = openCheckpoint(path.join(models, name));
  const prepared = path.join(folder, `${name}-refused`);
  const lora = loraOptions.parse({ modules_to_save });
  await expect(loraSubject(lora, { ...base, checkpoint, prepared }, { quant: "f32", seed: 0 })).rejects.toThrow(
    message,
  );
});

test("a pattern may name single layers", async () => {
  const targets = String.raw`(blk\.0\.attn_v|model\.layers\.1\.mlp\.gate_proj)`;
  using subject = await loraSubject(loraOptions.parse({ targets }), base, { quant: "f32", seed: 0 });
  const names = subject.store.parameters.map(({ name }) => name);
  expect(names.filter((name) => name.endsWith("lora_up"))).toEqual(["blk.0.attn_v.lora_up", "blk.1.ffn_gate.lora_up"]);
});
