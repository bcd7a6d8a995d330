import { describe, expect, test } from "vitest";
import { seededRandom } from "../util/random.ts";
import { BATCH_TOKENS, batchesOf } from "./encoder-batches.ts";

test("texts of one length fill batches", () => {
  const batches = batchesOf(new Array(10).fill(100), 450);
  expect(batches.map(({ texts, tokens }) => [texts.length, tokens])).toEqual([[4, 100], [4, 100], [2, 100]]); // biome-ignore format: one line
});

test("a text longer than a batch has one of its own", () => {
  expect(batchesOf([5, 900, 5], 450)).toEqual([
    { texts: [1], tokens: 900 },
    { texts: [0, 2], tokens: 5 },
  ]);
});

test("no texts, no batches", () => expect(batchesOf([])).toEqual([]));

describe.each([1, 2, 3])("1,000 texts of lengths by chance, seed %d", (seed) => {
  const draw = seededRandom(seed);
  const lengths = Array.from({ length: 1000 }, () => 1 + Math.floor(256 * draw() ** 3));
  const batches = batchesOf(lengths);

  test("every text is in one batch, which is long enough for it", () => {
    const all = batches.flatMap(({ texts }) => texts);
    expect(all.toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    for (const { texts, tokens } of batches) expect(tokens).toBe(Math.max(...texts.map((t) => lengths[t]!)));
  });

  test("batches are bounded, and little of them is padding", () => {
    for (const { texts, tokens } of batches) expect(texts.length * tokens).toBeLessThanOrEqual(BATCH_TOKENS);
    const ran = batches.reduce((sum, { texts, tokens }) => sum + texts.length * tokens, 0);
    expect(ran).toBeLessThan(1.1 * lengths.reduce((a, b) => a + b));
  });
});
