import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { idsOf } from "./ids.testing.ts";
import { hiddenSpans } from "./sequence.ts";
import { mostRuns, randomComposition, spanCounts, spanMask } from "./spans.ts";

const rule = (rate: number, meanSpan: number, roll = false) => ({ rate, meanSpan, roll });

// Each row is [length, rate, mean span, hidden, spans, inputs, targets] by T5's rule.
test.each([
  [512, 0.15, 3, 77, 26, 461, 103],
  [512, 0.5, 3, 256, 85, 341, 341],
  [512, 0.5, 32, 256, 8, 264, 264],
  [512, 0.15, 64, 77, 1, 436, 78],
  [1024, 0.15, 3, 154, 51, 921, 205],
])("%i tokens, rate %f, mean span %i: counts", (length, rate, meanSpan, hidden, spans, inputs, targets) => {
  expect(spanCounts(length, rule(rate, meanSpan))).toEqual({ hidden, spans });
  const mask = spanMask(length, rule(rate, meanSpan), seededRandom(length));
  const parts = hiddenSpans(
    Array.from({ length }, (_, i) => i),
    mask,
    idsOf(100),
  );
  // T5's rule does not count the end token.
  expect([parts.inputs.length, parts.targets.length - 1]).toEqual([inputs, targets]);
});

test("halves are rounded up", () => {
  // 10 · 0.25 = 2.5 hidden tokens, and 5 / 2 = 2.5 spans: rounding to even would give 2 for both.
  expect(spanCounts(10, rule(0.25, 1))).toEqual({ hidden: 3, spans: 3 });
  expect(spanCounts(20, rule(0.25, 2))).toEqual({ hidden: 5, spans: 3 });
});

test("at any rate, at least one token is hidden and one is not", () => {
  for (let length = 2; length < 40; length++)
    for (const rate of [1e-6, 0.5, 1])
      for (const meanSpan of [1, 3, 100]) {
        const { hidden, spans } = spanCounts(length, rule(rate, meanSpan));
        expect(hidden).toBeGreaterThanOrEqual(1);
        expect(length - hidden).toBeGreaterThanOrEqual(spans);
        expect(hidden).toBeGreaterThanOrEqual(spans);
        const mask = spanMask(length, rule(rate, meanSpan), seededRandom(length));
        expect(mask.reduce((sum, bit) => sum + bit, 0)).toBe(hidden);
      }
});

test("without rotation the first token is visible and the last is hidden; rotation may add one run", () => {
  const random = seededRandom(4);
  const ends = [new Set<string>(), new Set<string>()];
  let most = 0;
  for (let i = 0; i < 2000; i++) {
    for (const roll of [false, true]) {
      const mask = spanMask(30, rule(0.3, 3, roll), random);
      ends[Number(roll)]!.add(`${mask[0]}${mask[29]}`);
      if (roll) most = Math.max(most, runsOf(mask));
    }
  }
  expect([...ends[0]!]).toEqual(["01"]);
  expect([...ends[1]!].sort()).toEqual(["00", "01", "10", "11"]);
  expect(most).toBe(mostRuns(30, rule(0.3, 3, true)));
});

const runsOf = (mask: Uint8Array): number => mask.filter((bit, i) => bit === 1 && mask[i - 1] !== 1).length;

test("spans have the mean length that their counts imply, within 3 % over 10,000 draws", () => {
  const random = seededRandom(1);
  const { hidden, spans } = spanCounts(64, rule(0.3, 3));
  let [tokens, runs] = [0, 0];
  for (let i = 0; i < 10_000; i++) {
    const mask = spanMask(64, rule(0.3, 3), random);
    tokens += mask.reduce((sum, bit) => sum + bit, 0);
    runs += runsOf(mask);
  }
  expect(Math.abs(tokens / runs / (hidden / spans) - 1)).toBeLessThan(0.03);
});

test("each composition is equally likely", () => {
  // 6 as an ordered sum of 3: C(5, 2) = 10 ways. With 9 degrees of freedom, χ² exceeds 27.9 once in 1000.
  const random = seededRandom(2);
  const draws = 20_000;
  const seen = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const key = randomComposition(6, 3, random).join();
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  expect(seen.size).toBe(10);
  const chi = [...seen.values()].reduce((sum, n) => sum + (n - draws / 10) ** 2 / (draws / 10), 0);
  expect(chi).toBeLessThan(27.9);
});
