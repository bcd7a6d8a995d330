import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { atThreshold } from "../metrics.ts";
import { checkSamples, histograms, type Sample, thresholdFrom } from "./calibrate.ts";

/** Samples in which easier inputs have scores closer to 1. */
function samples(count: number, seed: number): Required<Sample>[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const ease = random();
    return { score: ease + 0.4 * random(), swift: Number(random() < ease), super: Number(random() < 0.4 + 0.6 * ease) };
  });
}
const outcomes = (all: readonly Required<Sample>[]) =>
  all.map((sample) => ({ ...sample, super: sample.super!, swift: sample.swift!, cost: { swift: 1, super: 10 } }));

describe("by share", () => {
  test("a 30 % share is 30 % of other inputs, within three sigma", () => {
    for (const seed of [1, 2, 3, 4]) {
      const threshold = thresholdFrom(samples(4000, seed), { by: "share", value: 0.3 });
      const held = outcomes(samples(1000, seed + 100));
      expect(Math.abs(atThreshold(held, threshold).share - 0.3)).toBeLessThan(3 * Math.sqrt(0.21 / held.length));
    }
  });

  test("is met exactly on its own inputs, and ends at infinity", () => {
    const own = samples(200, 5);
    for (const share of [0, 0.1, 0.25, 0.5, 0.995, 1])
      expect(atThreshold(outcomes(own), thresholdFrom(own, { by: "share", value: share })).share).toBeCloseTo(share, 9);
    expect(thresholdFrom(own, { by: "share", value: 0 })).toBe(Number.NEGATIVE_INFINITY);
    expect(thresholdFrom(own, { by: "share", value: 1 })).toBe(Number.POSITIVE_INFINITY);
  });

  test("needs no answers, and returns the same threshold with them", () => {
    const own = samples(50, 6);
    const bare = own.map(({ score }) => ({ score }));
    expect(thresholdFrom(bare, { by: "share" })).toBe(thresholdFrom(own, { by: "share", value: 0.3 }));
  });

  test("inputs without a score go to Super", () => {
    const four = [Number.NaN, 1, 2, 3].map((score) => ({ score }));
    expect(thresholdFrom(four, { by: "share", value: 0.5 })).toBe(1.5);
    expect(thresholdFrom(four, { by: "share", value: 0.25 })).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("by accuracy", () => {
  test("is the smallest share that reaches it", () => {
    const own = samples(300, 7);
    const threshold = thresholdFrom(own, { by: "accuracy", value: 0.65 });
    const { quality, share } = atThreshold(outcomes(own), threshold);
    expect(quality).toBeGreaterThanOrEqual(0.65);
    for (const smaller of [0.25, 0.5, 0.75].map((part) => part * share)) {
      const less = thresholdFrom(own, { by: "share", value: smaller });
      expect(atThreshold(outcomes(own), less).quality).toBeLessThan(0.65);
    }
  });

  test("defaults to Super's own accuracy", () => {
    const own = samples(300, 8);
    const { quality } = atThreshold(outcomes(own), thresholdFrom(own, { by: "accuracy" }));
    expect(quality).toBeGreaterThanOrEqual(own.reduce((sum, one) => sum + one.super!, 0) / own.length - 1e-9);
  });

  test("an accuracy that no threshold reaches is refused with the best one", () => {
    expect(() => thresholdFrom(samples(40, 9), { by: "accuracy", value: 1 })).toThrow(
      /no threshold reaches an accuracy of 1 on these rows; the best is 0\.\d+ with \d+ % for Super/,
    );
  });

  test("no threshold separates equal scores", () => {
    const equal = [0, 0, 1, 1].map((swift) => ({ score: 2, swift, super: 1 }));
    expect(thresholdFrom(equal, { by: "accuracy", value: 0.75 })).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("by crossing", () => {
  test("lies between two heaps", () => {
    const random = seededRandom(11);
    const heap = (centre: number, swift: number) =>
      Array.from({ length: 200 }, () => ({ score: centre + random() + random() - 1, swift }));
    const threshold = thresholdFrom([...heap(0, 0), ...heap(3, 1)], { by: "crossing" });
    expect(threshold).toBeGreaterThan(0.5);
    expect(threshold).toBeLessThan(2.5);
  });

  test("histograms are shares of either class", () => {
    const { edges, right, wrong } = histograms(samples(100, 12));
    for (const shares of [right, wrong]) expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(edges).toHaveLength(10);
  });

  test("identical scores put all inputs on one side", () => {
    const equal = [0, 1, 1].map((swift) => ({ score: 2, swift }));
    expect(thresholdFrom(equal, { by: "crossing" })).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("refused", () => {
  test.each([
    ["one row", [{ score: 1, swift: 1 }], "share", "a calibration needs two rows or more, got 1"],
    ["no row", [], "share", "a calibration needs two rows or more, got 0"],
    [
      "right answers only",
      [1, 2].map((score) => ({ score, swift: 1 })),
      "share",
      "Swift answers all of the 2 rows correctly",
    ],
    [
      "wrong answers only",
      [1, 2].map((score) => ({ score, swift: 0 })),
      "crossing",
      "Swift answers none of the 2 rows correctly",
    ],
    [
      "no answers",
      [1, 2].map((score) => ({ score })),
      "crossing",
      "by=crossing needs an answer to every row, and 2 of 2 have none",
    ],
    [
      "no answers of Super's",
      [
        { score: 1, swift: 0 },
        { score: 2, swift: 1 },
      ],
      "accuracy",
      "by=accuracy also needs Super's answers",
    ],
  ] as const)("%s", (_, rows, by, sentence) => {
    expect(() => checkSamples(rows, by)).toThrow(sentence);
  });
});
