import { describe, expect, test } from "vitest";
import type { TrainingData } from "./batch.ts";
import { splitText, textData } from "./text.ts";

const text = (length: number) => Int32Array.from({ length }, (_, i) => i);
const batchesOf = (data: TrainingData, epoch: number) =>
  Array.from({ length: data.batches }, (_, i) => data.batch(epoch * data.batches + i));

describe("windows of a text", () => {
  test("each position predicts the next token", () => {
    const { ids, labels, labelled } = textData(text(100), { rows: 3, tokens: 8, seed: 1 }).batch(0);
    expect([...labels]).toEqual([...ids].map((id) => id + 1));
    expect(labelled).toBe(24);
  });

  test("no two windows of an epoch share a token; epochs start at different places", () => {
    const data = textData(text(100), { rows: 1, tokens: 8, seed: 1 });
    const starts = [0, 1, 2, 3, 4, 5].map((epoch) => {
      const ids = batchesOf(data, epoch).flatMap((batch) => [...batch.ids]);
      expect(new Set(ids).size).toBe(data.samples * 8);
      return Math.min(...ids);
    });
    expect(new Set(starts).size).toBeGreaterThan(2);
  });

  test("without a seed, in order from the first token", () => {
    const data = textData(text(17), { rows: 1, tokens: 8 });
    expect(batchesOf(data, 0).flatMap(({ ids }) => [...ids])).toEqual([...text(16)]);
    expect(batchesOf(data, 1)).toEqual(batchesOf(data, 0));
  });

  test.each([9, 10, 16, 17, 18, 33])("of %i tokens: every batch of many epochs lies within the text", (length) => {
    const data = textData(text(length), { rows: 2, tokens: 8, seed: 5 });
    for (let index = 0; index < 40 * data.batches; index++) {
      const { labels, samples } = data.batch(index);
      expect(samples).toBeGreaterThan(0);
      expect(Math.max(...labels)).toBeLessThan(length);
    }
  });

  test("too short: one sentence", () => {
    expect(() => textData(text(8), { rows: 1, tokens: 8 })).toThrow(/^the text has 8 tokens, expected at least 9/);
  });
});

test("the last share is held out", () => {
  const [training, heldOut] = splitText(text(100), 0.1);
  expect([training.length, heldOut[0]]).toEqual([90, 90]);
  expect(splitText(text(100), 0)[1]).toHaveLength(0);
});
