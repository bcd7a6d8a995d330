import { expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { auc, bestTemperature, calibrationError } from "./classifier-metrics.ts";
import { f1Of } from "./f1.testing.ts";

test("the area under the curve is the share of ordered pairs; ties count half", () => {
  expect(auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])).toBe(0.75);
  expect(auc([1, 1, 1, 1], [0, 1, 0, 1])).toBe(0.5);
  expect(auc([3, 2, 1], [0, 0, 1])).toBe(0);
  expect(auc([1, 2], [1, 1])).toBe(0.5);
});

test("labels drawn from the probabilities are calibrated, and others are not", () => {
  const random = seededRandom(4);
  const p = Array.from({ length: 20_000 }, random);
  const labels = p.map((each) => (random() < each ? 1 : 0));
  expect(calibrationError(p, labels)).toBeLessThan(0.02);
  expect(calibrationError(p.map(Math.sqrt), labels)).toBeGreaterThan(0.1);
  expect(calibrationError([0.5, 0.5], [1, 1])).toBe(0.5);
});

test("precision, recall and F1 of a class", () => {
  expect(f1Of([1, 1, 0, 2], [1, 0, 1, 2], 1)).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5 });
  expect(f1Of([0, 0], [1, 0], 1)).toEqual({ precision: 0, recall: 0, f1: 0 });
});

test("the temperature that multiplied the logits is found again", () => {
  const random = seededRandom(6);
  const logits = Array.from({ length: 20_000 }, () => 4 * random() - 2);
  const labels = logits.map((logit) => (random() < 1 / (1 + Math.exp(-logit)) ? 1 : 0));
  const loss = (t: number) =>
    logits.reduce((sum, logit, i) => sum + Math.log1p(Math.exp(((labels[i] ? -1 : 1) * 3 * logit) / t)), 0);
  expect(bestTemperature(loss)).toBeCloseTo(3, 0);
});
