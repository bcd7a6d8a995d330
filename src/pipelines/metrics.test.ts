import { describe, expect, test } from "vitest";
import { seededRandom, shuffle } from "../util/random.ts";
import {
  above,
  aiq,
  apgr,
  atThreshold,
  callsNeeded,
  curve,
  type Outcome,
  oracleLine,
  randomLine,
  recovered,
} from "./metrics.ts";

/**
 * Outcomes of a pair as in RouteLLM's table for GSM8K: Swift 0.64, Super 0.86, 1,319 rows; the score partly predicts
 * whether Swift is right.
 */
function table(count = 1319, seed = 7, noise = 1): Outcome[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const ease = random();
    return {
      score: ease + noise * (random() - 0.5),
      swift: Number(random() < 0.28 + 0.72 * ease),
      super: Number(random() < 0.86),
      cost: { swift: 1, super: 10 },
    };
  });
}

const outcomes = table();
const shuffled = (seed: number) => {
  const scores = shuffle(
    outcomes.map(({ score }) => score),
    seededRandom(seed),
  );
  return outcomes.map((outcome, i) => ({ ...outcome, score: scores[i]! }));
};

describe("the curve", () => {
  test("begins with Swift alone and ends with Super on every input", () => {
    const points = curve(outcomes);
    expect(points).toHaveLength(outcomes.length + 1);
    expect(points[0]).toEqual(atThreshold(outcomes, Number.NEGATIVE_INFINITY));
    expect(points.at(-1)!.quality).toBeCloseTo(atThreshold(outcomes, Number.POSITIVE_INFINITY).quality, 10);
    expect(points.at(-1)!.cost).toBeCloseTo(11, 8);
  });

  test("is above random at every interior share, and below the oracle", () => {
    const [points, random, oracle] = [curve(outcomes), randomLine(outcomes), oracleLine(outcomes)];
    for (let k = 100; k < outcomes.length - 100; k++) expect(points[k]!.quality).toBeGreaterThan(random[k]!.quality);
    for (const [k, { quality }] of points.entries()) expect(quality).toBeLessThanOrEqual(oracle[k]!.quality + 1e-9);
  });

  test("a router with shuffled scores is random within noise", () => {
    const areas = Array.from({ length: 20 }, (_, seed) => apgr(curve(shuffled(seed))));
    const mean = areas.reduce((sum, area) => sum + area, 0) / areas.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
    for (const area of areas) expect(Math.abs(area - 0.5)).toBeLessThan(0.12);
  });

  test("exceeds random on average, and not if shuffled", () => {
    expect(above(curve(outcomes), randomLine(outcomes))).toBeGreaterThan(0.02);
    expect(Math.abs(above(curve(shuffled(4)), randomLine(outcomes)))).toBeLessThan(0.02);
  });

  test("equal scores are the random line", () => {
    const same = outcomes.map((outcome) => ({ ...outcome, score: 1 }));
    const random = randomLine(outcomes);
    for (const [k, { quality }] of curve(same).entries()) expect(quality).toBeCloseTo(random[k]!.quality, 9);
  });

  test("Swift costs less if its first token escalates an input", () => {
    const cheap = outcomes.map((outcome) => ({ ...outcome, cost: { swift: 1, super: 10, escalated: 0.5 } }));
    expect(curve(cheap).at(-1)!.cost).toBeCloseTo(10.5, 8);
    expect(atThreshold(cheap, Number.NEGATIVE_INFINITY).cost).toBeCloseTo(1, 8);
    expect(atThreshold(cheap, Number.POSITIVE_INFINITY).cost).toBeCloseTo(10.5, 8);
  });

  test("an item with a score of NaN goes to Super first", () => {
    const two = [
      { score: 0, swift: 1, super: 1, cost: { swift: 1, super: 2 } },
      { score: Number.NaN, swift: 0, super: 1, cost: { swift: 1, super: 2 } },
    ];
    expect(curve(two).map(({ quality }) => quality)).toEqual([0.5, 1, 1]);
    expect(atThreshold(two, Number.NEGATIVE_INFINITY).share).toBe(0.5);
  });
});

test("the share for Super grows with the threshold", () => {
  const shares = Array.from({ length: 60 }, (_, i) => atThreshold(outcomes, i / 20 - 1).share);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect([shares[0], shares.at(-1)]).toEqual([0, 1]);
});

describe("APGR and CPT", () => {
  test("random is 0.5, the score above it, the oracle above both", () => {
    const [random, ours, best] = [randomLine(outcomes), curve(outcomes), oracleLine(outcomes)].map(apgr);
    expect(random).toBeCloseTo(0.5, 9);
    expect(ours).toBeGreaterThan(0.55);
    expect(best).toBeGreaterThan(ours!);
  });

  test("constants are 0 and 1 at the ends", () => {
    const points = curve(outcomes);
    expect([recovered(points)[0], recovered(points).at(-1)]).toEqual([0, 1]);
    expect(callsNeeded(points, 0)).toBe(0);
    expect(callsNeeded(randomLine(outcomes), 1)).toBe(1);
  });

  test("CPT of the random line is the part itself, and of ours less", () => {
    expect(callsNeeded(randomLine(outcomes), 0.5)).toBeCloseTo(0.5, 2);
    expect(callsNeeded(curve(outcomes), 0.5)).toBeLessThan(0.45);
    expect(callsNeeded(curve(outcomes), 0.8)).toBeGreaterThan(callsNeeded(curve(outcomes), 0.5));
  });

  test("equally good models have no gap to recover", () => {
    const same = outcomes.map((outcome) => ({ ...outcome, super: outcome.swift }));
    expect(apgr(curve(same))).toBeNaN();
    expect(callsNeeded(curve(same), 0.5)).toBeNaN();
    expect(new Set(curve(same).map(({ quality }) => quality)).size).toBe(1);
  });
});

describe("AIQ", () => {
  test("the hull never falls: it is flat after the best point", () => {
    const points = [
      { cost: 0, quality: 0.5 },
      { cost: 0.5, quality: 0.9 },
      { cost: 1, quality: 0.8 },
    ];
    expect(aiq(points)).toBeCloseTo(0.8, 12);
    // A point below the hull changes nothing.
    expect(aiq([...points, { cost: 0.25, quality: 0.6 }])).toBeCloseTo(0.8, 12);
  });

  test("is the area over the range of costs", () => {
    const points = [
      { cost: 2, quality: 0.2 },
      { cost: 4, quality: 0.6 },
    ];
    expect(aiq(points)).toBeCloseTo(0.4, 12);
    expect(() => aiq(points.slice(0, 1))).toThrow(RangeError);
  });

  test("of the oracle is above ours", () => {
    expect(aiq(oracleLine(outcomes))).toBeGreaterThan(aiq(curve(outcomes)));
  });
});

test("routing knows no gold labels: other labels, the same decisions", () => {
  const threshold = 0.4;
  const permuted = shuffle(
    outcomes.map(({ swift, super: strong }) => ({ swift, super: strong })),
    seededRandom(3),
  );
  const other = outcomes.map((outcome, i) => ({ ...outcome, ...permuted[i]! }));
  expect(atThreshold(other, threshold).share).toBe(atThreshold(outcomes, threshold).share);
});
