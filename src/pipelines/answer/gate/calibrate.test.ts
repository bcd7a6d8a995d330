import { expect, test } from "vitest";
import { seededRandom, shuffle } from "../../../util/random.ts";
import { above, randomLine } from "../../metrics.ts";
import {
  asRoute,
  atThreshold,
  type GateSample,
  gateCurve,
  thresholdForCost,
  thresholdForRate,
  thresholdFrom,
} from "./calibrate.ts";

const gateTargetDefaults = { benefit: 1, charged: "every" } as const;

/** Questions on which a gate is right three times in four: plain answers with high scores tend to be wrong. */
function judgedQuestions(count: number, seed: number): GateSample[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const score = random();
    const plain = Number(random() > score);
    return { score, plain, retrieved: Number(random() < 0.8) };
  });
}

test("a rate's threshold looks up that share, and of new questions within 3/√n of it", () => {
  for (const [seed, rate] of [0.1, 0.3, 0.5, 0.8].entries()) {
    const threshold = thresholdForRate(
      judgedQuestions(400, seed).map(({ score }) => score),
      rate,
    );
    const { rate: actualRate } = atThreshold(judgedQuestions(400, 100 + seed), threshold);
    expect(Math.abs(actualRate - rate)).toBeLessThan(3 / Math.sqrt(400));
    expect(atThreshold(judgedQuestions(400, seed), threshold).rate).toBe(rate);
  }
});

test("rates of 0 and 1 hold for any score, and questions without one are looked up first", () => {
  const scores = [0.2, Number.NaN, 0.7, 0.7];
  const looked = (rate: number) => {
    const threshold = thresholdForRate(scores, rate);
    return scores.map((score) => !(score < threshold));
  };
  expect(looked(0)).toEqual([false, true, false, false]);
  expect(looked(0.25)).toEqual([false, true, false, false]);
  expect(looked(0.5)).toEqual([false, true, true, true]);
  expect(looked(1)).toEqual([true, true, true, true]);
  expect(JSON.parse(JSON.stringify([0, 1].map((rate) => thresholdForRate(scores, rate)))).every(Number.isFinite)).toBe(
    true,
  );
});

test("an accuracy's threshold reaches it with the least retrieval", () => {
  const samples = judgedQuestions(300, 5);
  const always = atThreshold(samples, 0).accuracy;
  const threshold = thresholdFrom(samples, { by: "accuracy", minAccuracyRatio: 1, ...gateTargetDefaults });
  const { rate, accuracy } = atThreshold(samples, threshold);
  expect(accuracy).toBeGreaterThanOrEqual(always);
  expect(rate).toBeLessThan(0.9);
  // With the lowest score above the threshold as the threshold, the same questions are looked up.
  const higher = samples.map(({ score }) => score).filter((score) => score > threshold);
  for (const score of higher.toSorted((a, b) => a - b).slice(1))
    expect(atThreshold(samples, score).accuracy).toBeLessThan(always);
  expect(() => thresholdFrom(samples, { by: "accuracy", minAccuracyRatio: 2, ...gateTargetDefaults })).toThrow(
    /no threshold reaches an accuracy of 1\.\d+/,
  );
});

test("a cost's threshold has the least loss for a calibrated gate, by either convention", () => {
  expect(thresholdForCost(0.2, 1, "every")).toBeCloseTo(0.2, 12);
  expect(thresholdForCost(0.2, 1, "unneeded")).toBeCloseTo(1 / 6, 12);
  for (const charged of ["every", "unneeded"] as const) {
    // A question is looked up needlessly with probability 1 − p.
    const loss = (p: number, looks: boolean) => (looks ? 0.2 * (charged === "every" ? 1 : 1 - p) : p);
    const threshold = thresholdForCost(0.2, 1, charged);
    for (const p of [0.05, 0.15, 0.19, 0.21, 0.5])
      expect(loss(p, p >= threshold)).toBeLessThanOrEqual(loss(p, p < threshold));
  }
});

test("the frontier lies above the random line, and shuffled scores fall to it", () => {
  const samples = judgedQuestions(2000, 8);
  const line = randomLine(samples.map(asRoute));
  expect(above(gateCurve(samples), line)).toBeGreaterThan(0.05);
  const scores = shuffle(
    samples.map(({ score }) => score),
    seededRandom(9),
  );
  const shuffled = samples.map((one, i) => ({ ...one, score: scores[i]! }));
  expect(Math.abs(above(gateCurve(shuffled), line))).toBeLessThan(0.015);
});

test("the ends of the frontier are never and always", () => {
  const samples = judgedQuestions(50, 2);
  const points = gateCurve(samples);
  expect(points[0]!.quality).toBeCloseTo(atThreshold(samples, 2).accuracy, 12);
  expect(points.at(-1)!.quality).toBeCloseTo(atThreshold(samples, 0).accuracy, 12);
});
