/** Compares trained adapters of encoders with PEFT's: tools/reference/encoder_training.py. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { safetensorsFile } from "../../weights/safetensors/read.ts";
import { fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Batch } from "../data/batch.ts";
import { pairBatch } from "../data/pairs.ts";
import { inRows } from "../data/text-rows.ts";
import type { TextHeadSettings } from "../heads/settings.ts";
import { loraOptions, trainOptions } from "../options.ts";
import { TrainingRun } from "../session/run.ts";
import { encoderLoraSubject } from "./encoder-lora.ts";

const fixtures = path.join(import.meta.dirname, "fixtures");
const models = path.join(import.meta.dirname, "../../models/fixtures");
const folder = mkdtempSync(path.join(tmpdir(), "modicum-encoder-lora-"));
afterAll(() => rmSync(folder, { recursive: true }));

const gguf = openCheckpoint(path.join(models, "llama-tiny.gguf")).config;
if (gguf.kind !== "gguf") throw new Error("the fixture is no GGUF");
const tokenizer = new Tokenizer(fromGguf(gguf.metadata));
const base = (name: string) => ({
  ...{ name, checkpoint: openCheckpoint(path.join(models, name)), prepared: path.join(folder, name) },
  tokenizer,
});

const QUERIES = 3;
const labels = ["LABEL_0", "LABEL_1", "LABEL_2"];
const CLASSES: TextHeadSettings = { kind: "classes", labels };

function batchOf(rows: readonly Int32Array[], { kind }: TextHeadSettings): Batch {
  const [queries, documents] = [rows.slice(0, QUERIES), rows.slice(QUERIES)];
  const others = documents.slice(QUERIES);
  if (kind === "classes") return { ...inRows(queries), labels: Int32Array.of(2, 0, 1), labelled: 3, samples: 3 };
  return pairBatch(
    queries.map((query, i) => ({ texts: [query, documents[i]!, ...(i === QUERIES - 1 ? others : [])] })),
  );
}

const tensorsIn = (adapter: string) => {
  const { tensors, floats } = safetensorsFile(path.join(adapter, "adapter_model.safetensors"));
  return new Map([...tensors].map(([name, tensor]) => [name, floats(tensor)]));
};
const gap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), a.length === b.length ? 0 : Number.NaN);

/** Trains a fixture's adapter; returns its largest differences from PEFT's. */
async function differences(name: string, model: string, head: TextHeadSettings, changed: object) {
  const reference = JSON.parse(readFileSync(path.join(fixtures, name, "losses.json"), "utf8"));
  const batch = batchOf(
    reference.rows.map((row: number[]) => Int32Array.from(row)),
    head,
  );
  const lora = loraOptions.parse({ rank: 4, alpha: 6, ...changed });
  const options = trainOptions.parse({
    ...{ data: "x", lora, steps: 3, optimizer: { lr: 0.01 }, schedule: { name: "constant" } },
  });
  const subject = await encoderLoraSubject(lora, base(model), options, head);
  subject.startFrom!(path.join(fixtures, name, "start"));
  const { rows, tokens } = batch;
  const training = { rows, tokens, batches: 1, samples: 3, dropped: { long: 0, unlabelled: 0 }, batch: () => batch };
  using run = await TrainingRun.open(options, subject, { training, heldOut: undefined, hash: "", head });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push((await run.step()).loss);
  const out = path.join(folder, `${name}-out`);
  await subject.write(out);
  const [ours, theirs] = [tensorsIn(out), tensorsIn(path.join(fixtures, name, "trained"))];
  expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
  return {
    losses: gap(Float32Array.from(losses), Float32Array.from(reference.losses)),
    tensors: Math.max(...[...theirs].map(([key, values]) => gap(ours.get(key)!, values))),
  };
}

const LAYERS = "query,value,intermediate.dense,layer.1.output.dense";

test.each<[string, string, TextHeadSettings, string]>([
  ["bert-classes", "bert", CLASSES, `${LAYERS},pooler.dense`],
  ["distilbert-classes", "distilbert", CLASSES, "q_lin,v_lin,lin1"],
  ["bert-embedding", "bert", { kind: "embedding" }, LAYERS],
])("%s: three steps equal PEFT's", async (name, model, head, targets) => {
  const same = await differences(name, model, head, { targets });
  expect(same.losses).toBeLessThan(1e-5);
  expect(same.tensors).toBeLessThan(1e-5);
  // Control: with LoRA+, second factors learn faster, so the result differs.
  const other = await differences(name, model, head, { targets, loraplus_lr_ratio: 2 });
  expect(other.tensors).toBeGreaterThan(1e-3);
});

test.each([
  [{ lora_dropout: 0.1 }, "lora.lora_dropout: bert is an encoder, which is trained without dropout; expected 0"],
  [
    { modules_to_save: "lm_head" },
    "lora.modules_to_save: bert is an encoder, whose new head is always trained; omit this",
  ],
  [{ targets: "q_proj" }, 'lora: no matrix is named "q_proj"'],
])("%j is refused", async (changed, message) => {
  const lora = loraOptions.parse({ targets: "query", ...changed });
  await expect(encoderLoraSubject(lora, base("bert"), trainOptions.parse({ data: "x" }), CLASSES)).rejects.toThrow(
    message,
  );
});
