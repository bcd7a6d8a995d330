import { describe, expect, test } from "vitest";
import { add, addSpent, type Dim, evalCost, mul, sym } from "../../../graph/index.ts";
import { seededRandom } from "../../../util/random.ts";
import { BATCH_TOKENS, nextBatch, sharesOf } from "./encoder-batches.ts";

/** Takes batches until nothing is left. Returns the lengths in each batch, by list, and its padded length. */
function batchesOf(lists: readonly (readonly number[])[], limit?: number) {
  const remaining = lists.map((lengths) => [...lengths]);
  const batches: { lengths: number[][]; tokens: number }[] = [];
  for (;;) {
    const some = remaining.filter(({ length }) => length > 0);
    if (some.length === 0) return batches;
    const { tokens, parts } = nextBatch(some, limit);
    batches.push({ tokens, lengths: parts.map(({ from, count }, i) => some[i]!.splice(from, count)) });
  }
}

test("texts of one length fill batches", () => {
  const batches = batchesOf([new Array(10).fill(100)], 450);
  expect(batches.map(({ lengths, tokens }) => [lengths[0]!.length, tokens])).toEqual([[4, 100], [4, 100], [2, 100]]); // biome-ignore format: one line
});

test("a text longer than a batch has one of its own", () => {
  expect(batchesOf([[900, 5, 5]], 450)).toEqual([
    { lengths: [[900]], tokens: 900 },
    { lengths: [[5, 5]], tokens: 5 },
  ]);
});

test("the first list's longest text is in the batch, which is as long as lets the most run", () => {
  expect(nextBatch([[20], [90, 20, 19, 3], [50, 40], [22, 18, 17]], 120)).toEqual({
    tokens: 22,
    parts: [{ from: 0, count: 1 }, { from: 1, count: 2 }, { from: 0, count: 0 }, { from: 0, count: 2 }],
  }); // biome-ignore format: one line
});

describe.each([1, 2, 3])("1,000 texts of lengths by chance in %d lists", (count) => {
  const draw = seededRandom(count);
  const lists = Array.from({ length: count }, () =>
    Array.from({ length: 1000 / count }, () => 1 + Math.floor(256 * draw() ** 3)).sort((a, b) => b - a),
  );
  const batches = batchesOf(lists);
  const all = lists.flat();

  test("every text is in one batch, which is long enough for it", () => {
    const ran = batches.flatMap(({ lengths }) => lengths.flat());
    expect(ran.toSorted((a, b) => a - b)).toEqual(all.toSorted((a, b) => a - b));
    for (const { lengths, tokens } of batches) expect(tokens).toBe(Math.max(...lengths.flat()));
  });

  test("batches are bounded, and little of them is padding", () => {
    for (const { lengths, tokens } of batches) expect(lengths.flat().length * tokens).toBeLessThanOrEqual(BATCH_TOKENS);
    const ran = batches.reduce((sum, { lengths, tokens }) => sum + lengths.flat().length * tokens, 0);
    expect(ran).toBeLessThan(1.1 * all.reduce((a, b) => a + b));
  });
});

test("each text pays for its own tokens and its row of attention; what a batch does once is shared evenly", () => {
  const [batch, tokens, kept] = ["batch", "tokens", "kept"].map(sym) as [Dim, Dim, Dim];
  const cost = {
    flops: add(mul(10, kept), mul(3, batch, tokens, tokens)),
    read: add(600, mul(7, kept), mul(5, tokens)),
    written: mul(2, batch, tokens),
  };
  const shares = sharesOf(cost, [8, 3, 1], 8);
  expect(shares.map(({ flops }) => flops)).toEqual([80 + 192, 30 + 192, 10 + 192]);
  const whole = evalCost(cost, { batch: 3, tokens: 8, kept: 12 });
  const sum = { flops: 0, bytes: 0 };
  for (const share of shares) addSpent(sum, share);
  expect(sum.flops).toBe(whole.flops);
  expect(sum.bytes).toBeCloseTo(whole.bytes, 9);
});
