import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import type { ItemAnswer } from "./answers.ts";
import { evaluate } from "./evaluate.ts";

/** Two models' answers; one score tells how easy an item is, another carries no information. */
function answers(count: number, seed: number): [ItemAnswer[], ItemAnswer[]] {
  const random = seededRandom(seed);
  const swift: ItemAnswer[] = [];
  const strong: ItemAnswer[] = [];
  for (let i = 0; i < count; i++) {
    const ease = random();
    const scores = { "first/energy": ease, "choices/energy": ease, "first/random": random() };
    const known = { item: `${i}`, item_hash: "" };
    const first = { flops: 6, ms: 3 };
    swift.push({ ...known, quality: Number(random() < ease), whole: { flops: 10, ms: 5 }, first, scores });
    strong.push({ ...known, quality: Number(random() < 0.9), whole: { flops: 100, ms: 20 }, first, scores });
  }
  return [swift, strong];
}

const [swift, strong] = answers(600, 1);
const result = evaluate(swift, strong, 0);
const way = (name: string) => result.ways.find((one) => one.way === name)!;

test("an informative score is above an uninformative one", () => {
  expect(way("first/energy").auroc.mean).toBeGreaterThan(0.75);
  expect(way("first/energy").auroc.ci95[0]).toBeGreaterThan(0.65);
  expect(way("first/energy").above_random.ci95[0]).toBeGreaterThan(0);
  expect(Math.abs(way("first/random").auroc.mean - 0.5)).toBeLessThan(0.1);
  expect(way("first/random").above_random.ci95[0]).toBeLessThan(0);
});

test("thresholds come from one half and are judged on the other", () => {
  expect(result.items).toBe(600);
  for (const { wanted, share } of way("first/energy").by_share)
    expect(Math.abs(share - wanted)).toBeLessThan(4 * Math.sqrt((2 * wanted * (1 - wanted)) / 600));
  // Different labels must not change any decision.
  const flipped = swift.map((answer) => ({ ...answer, quality: 1 - answer.quality }));
  const other = evaluate(flipped, strong, 0).ways[0]!;
  expect(other.by_share.map(({ thresholds, share }) => [thresholds, share])).toEqual(
    way("first/energy").by_share.map(({ thresholds, share }) => [thresholds, share]),
  );
}, 120_000);

test("a route after the first token costs less than one after the whole answer", () => {
  const at = (name: string) => way(name).by_share[4]!;
  const { share } = at("first/energy");
  expect(at("first/energy").flops_ratio).toBeCloseTo(100 / (10 * (1 - share) + 106 * share), 6);
  expect(at("choices/energy").flops_ratio).toBeCloseTo(100 / (10 + 100 * share), 6);
  expect(at("first/energy").ms_ratio).toBeCloseTo(20 / (5 * (1 - share) + 23 * share), 6);
});

describe("the ends of the curves", () => {
  test("are the models alone, and the oracle's is above", () => {
    const { curve } = way("first/energy");
    expect(curve[0]!.quality).toBeCloseTo(result.swift.quality.mean, 9);
    expect(curve.at(-1)!.quality).toBeCloseTo(result.super.quality.mean, 9);
    for (const [k, { quality }] of result.oracle.curve.entries())
      expect(quality).toBeGreaterThanOrEqual(curve[k]!.quality - 1e-9);
    expect(result.random.apgr).toBeCloseTo(0.5, 9);
  });
});

test("too few items are refused", () => {
  expect(() => evaluate(swift.slice(0, 3), strong.slice(0, 3), 0)).toThrow("two items or more in each half, got 3");
});
