import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import type { Batch } from "../../data/batch.ts";
import { trainOptions } from "../../options.ts";
import { runSession } from "../../session/session.ts";
import { withPresets } from "../complete.ts";
import { maskedBatch } from "./data.ts";
import { aligned } from "./masked-diffusion.ts";

const root = mkdtempSync(path.join(tmpdir(), "modicum-masked-diffusion-"));
afterAll(() => rmSync(root, { recursive: true }));

const MASK = 99;
const END = 7;
const masking = { mask: MASK, shifted: false, epsilon: 1e-3 };

/** A batch of one row: three prompt tokens, `answer` answer tokens, then padding. */
function batchOf(answer: number): Batch {
  const ids = Int32Array.from({ length: answer + 5 }, (_, i) => (i < answer + 3 ? 10 + i : 0));
  const labels = ids.map((id, i) => (i >= 3 && i < answer + 3 ? id : -1));
  return { rows: 1, tokens: ids.length, ids, labels, labelled: answer, samples: 1 };
}

/** Random numbers of which the first is `t`; a batch of one text uses it as the text's time. */
function randomAt(t: number, seed: number): () => number {
  const random = seededRandom(seed);
  let begun = false;
  return () => {
    const next = begun ? random() : t;
    begun = true;
    return next;
  };
}

test.each([0.05, 0.3, 0.9])("at t = %s the weighted sum of masked losses has the mean of all tokens' losses", (t) => {
  const losses = [0.5, 1, 2, 4, 0.25, 3];
  const whole = losses.reduce((a, b) => a + b, 0);
  const draws = 20_000;
  let [sum, squares] = [0, 0];
  for (let i = 0; i < draws; i++) {
    const { labels, weights } = maskedBatch(batchOf(6), masking, randomAt(t, i));
    const drawn = losses.reduce((all, loss, at) => all + (labels[3 + at]! >= 0 ? loss * weights![3 + at]! : 0), 0);
    [sum, squares] = [sum + drawn, squares + drawn ** 2];
  }
  const mean = sum / draws;
  const error = Math.sqrt((squares / draws - mean ** 2) / draws);
  expect(Math.abs(mean - whole)).toBeLessThan(4 * error);
  // Without the weight 1/p, the mean would be p times as large.
  expect(4 * error).toBeLessThan((1 - t) * whole);
});

test("at t = 0.3 a share of 0.3007 is masked; prompts and padding never are", () => {
  let masked = 0;
  const draws = 2000;
  for (let i = 0; i < draws; i++) {
    const { ids, labels, labelled, documents } = maskedBatch(batchOf(10), masking, randomAt(0.3, i));
    expect([...ids.subarray(0, 3), ...ids.subarray(13)]).toEqual([10, 11, 12, 0, 0]);
    expect(labels.every((label, at) => label < 0 === (ids[at] !== MASK))).toBe(true);
    expect(labelled).toBe(10);
    expect([...documents!]).toEqual([...new Array(13).fill(0), -1, -1]);
    masked += ids.filter((id) => id === MASK).length;
  }
  const p = 0.999 * 0.3 + 1e-3;
  expect(Math.abs(masked / (10 * draws) - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / (10 * draws)));
});

test("texts weigh the same, whatever the length of their answers", () => {
  const [short, long] = [batchOf(2), batchOf(8)];
  const both = {
    ...{ rows: 1, tokens: 18, labelled: 10, samples: 2 },
    ids: Int32Array.from([...short.ids.subarray(0, 5), ...long.ids]),
    labels: Int32Array.from([...short.labels.subarray(0, 5), ...long.labels]),
    documents: Int32Array.from([...new Array(5).fill(0), ...new Array(11).fill(1), -1, -1]),
  };
  const sums = [0, 0];
  for (let i = 0; i < 4000; i++) {
    const { weights } = maskedBatch(both, masking, seededRandom(i));
    sums[0]! += weights!.subarray(0, 5).reduce((a, b) => a + b, 0);
    sums[1]! += weights!.subarray(5).reduce((a, b) => a + b, 0);
  }
  expect(sums[0]! / sums[1]!).toBeGreaterThan(0.9);
  expect(sums[0]! / sums[1]!).toBeLessThan(1.1);
});

test("a shifted model predicts a token at the place before it", () => {
  const { ids, labels } = maskedBatch(batchOf(4), { ...masking, shifted: true, epsilon: 0.5 }, randomAt(0.999, 1));
  const at = ids.indexOf(MASK);
  expect(labels[at - 1]).toBe(10 + at);
});

test("answers are padded with end tokens, and longer ones refused", () => {
  const arrange = aligned(4, END);
  const { ids, labels } = arrange([1, 2, 3, END], [false, false, true, true]);
  expect([...ids]).toEqual([1, 2, 3, END, END, END]);
  expect([...labels]).toEqual([-1, -1, 3, END, END, END]);
  expect(() => arrange([1, 2, 3, 4, 5, END], [false, true, true, true, true, true])).toThrow("5 tokens");
  expect(() => aligned(4, undefined)([1], [true])).toThrow("the tokenizer has no end token");
});

const architecture = {
  ...{ model_type: "llada", d_model: 32, n_layers: 1, n_heads: 2, n_kv_heads: 2, mlp_hidden_size: 32 },
  ...{ max_sequence_length: 64, rms_norm_eps: 1e-5, rope_theta: 10000 },
};

function run(options: object, out: string) {
  const data = path.join(root, "data.jsonl");
  const lines = ["ab", "ba", "cc", "ac"].map((text) => JSON.stringify({ prompt: `${text}=`, completion: text }));
  writeFileSync(data, lines.join("\n"));
  const whole = trainOptions.parse(withPresets({ data, tokens: 32, batch: 2, steps: 3, ...options }));
  const never = () => Promise.reject(new Error("no base"));
  return runSession({ options: whole, out: path.join(root, out), reuse: "refuse" }, never, {});
}

test("a new model gets a mask token and is trained", async () => {
  const { loss, steps } = await run({ method: "masked-diffusion:answer=4", architecture, validation: 0 }, "trained");
  expect(steps).toBe(3);
  expect(Number.isFinite(loss.last)).toBe(true);
});

test("a causal model is refused, and so is a masked model under another method", async () => {
  const gpt2 = { model_type: "gpt2", n_embd: 32, n_head: 2, n_layer: 1, n_positions: 64 };
  await expect(run({ method: "masked-diffusion", architecture: gpt2 }, "causal")).rejects.toThrow(
    "the model is causal",
  );
  await expect(run({ architecture }, "plain")).rejects.toThrow("only masked-diffusion can train");
});
