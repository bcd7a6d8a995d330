import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { textData } from "../../data/text.ts";
import { type TrainOptions, trainOptions } from "../../options.ts";
import { TrainingRun } from "../../session/run.ts";
import { newSubject, oldSubject } from "../../subject/subject.ts";
import { shrinkModel } from "./shrink.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-shrink-"));
afterAll(() => rmSync(folder, { recursive: true }));

const VOCABULARY = 24;
const HIDDEN = 16;
const INNER = 96;
/** The number of neurons that remain: half, rounded up to whole blocks of 32. */
const KEPT = 64;

const options: TrainOptions = trainOptions.parse({
  architecture: {
    ...{ model_type: "llama", hidden_size: HIDDEN, num_hidden_layers: 2, num_attention_heads: 1 },
    ...{ num_key_value_heads: 1, intermediate_size: INNER, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  },
  ...{ data: "text.txt", tokens: 16, batch: 2, steps: 20, optimizer: { lr: 1e-2 } },
  method: `sparse:sparsity=0.5,block=1x${HIDDEN},exclude=*attn*+*gate*+*down*,scope=layer,start=2,end=2`,
});
const ids = Int32Array.from({ length: 2000 }, (_, i) => (i * i + 3 * i) % VOCABULARY);
const data = { training: textData(ids, { rows: 2, tokens: 16 }), heldOut: undefined, hash: "" };

/** The loss of the first batch. */
async function lossOf(model: string): Promise<number> {
  const plain = { ...options, method: undefined, architecture: undefined };
  using run = await TrainingRun.open(plain, await oldSubject(plain, openCheckpoint(model)), data);
  return (await run.step()).loss;
}

test("neurons without weights are removed, and the model's outputs stay the same", async () => {
  const [whole, small] = [path.join(folder, "whole"), path.join(folder, "small")];
  const subject = await newSubject(options, VOCABULARY);
  {
    using run = await TrainingRun.open(options, subject, data);
    for (let i = 0; i < 6; i++) await run.step();
    await subject.write(whole);
  }
  expect(await shrinkModel(whole, small)).toEqual({ before: INNER, after: KEPT });
  const config = JSON.parse(readFileSync(path.join(small, "config.json"), "utf8"));
  expect(config.intermediate_size).toBe(KEPT);
  expect(await lossOf(small)).toBeCloseTo(await lossOf(whole), 6);
  expect(await shrinkModel(small, path.join(folder, "again"))).toEqual({ before: KEPT, after: KEPT });
});

test("a model without gated MLPs is refused", async () => {
  const shakespeare = path.join(import.meta.dirname, "..", "..", "fixtures", "shakespeare");
  await expect(shrinkModel(shakespeare, path.join(folder, "none"))).rejects.toThrow("expected a config.json with");
});
