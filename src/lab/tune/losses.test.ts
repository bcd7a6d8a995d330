import { expect, test } from "vitest";
import { lossNames } from "../../savings/auto/certificate.ts";
import { answerMatch, tokenF1 } from "../metrics/index.ts";
import type { ItemMetric } from "./items.ts";
import { checkLoss, excessOf, lossOf, lossType, usualLoss } from "./losses.ts";

const metric = answerMatch as ItemMetric;

test("losses of hand-made answers", () => {
  const dense = { text: "a", quality: 0.75, excess: 0.1 };
  expect(lossOf("harm", "unit", { ...dense, quality: 0.5 }, dense)).toBe(0.25);
  expect(lossOf("harm", "unit", { ...dense, quality: 1 }, dense)).toBe(0);
  expect(lossOf("quality", "signed", { ...dense, quality: 1 }, dense)).toBe(-0.25);
  expect(lossOf("agreement", "binary", { ...dense, text: "b" }, dense)).toBe(1);
  expect(lossOf("agreement", "binary", { ...dense, quality: 0 }, dense)).toBe(0);
  expect(lossOf("nats", "unit", { ...dense, excess: 0.35 }, dense)).toBeCloseTo(0.25, 12);
  expect(lossOf("nats", "unit", { ...dense, excess: 0 }, dense)).toBe(0);
  expect(lossOf("nats", "unit", { ...dense, excess: 3 }, dense)).toBe(1);
});

test("nats of drawn answers may be a gain, and are compared with the recipe's own", () => {
  const dense = { text: "a", excess: 0 };
  const loss = (excess: number) => lossOf("nats", "signed", { text: "b", excess }, dense);
  expect([0.25, -0.25, 3, -3].map(loss)).toEqual([0.25, -0.25, 1, -1]);
});

test("a missing number is NaN, never a loss of 0", () => {
  const dense = { text: "a", quality: 1, excess: 0 };
  for (const loss of ["harm", "quality", "nats"] as const)
    for (const type of ["unit", "signed"] as const) expect(lossOf(loss, type, { text: "a" }, dense)).toBeNaN();
  expect(excessOf([])).toBeNaN();
});

test("the excess of an answer is a mean over its tokens", () => {
  const tokens = [
    { nats: -0.5, best: -0.5 },
    { nats: -3, best: -1 },
  ];
  expect(excessOf(tokens)).toBe(1);
});

test("the type of a loss follows from its definition", () => {
  const greedy = { metric, greedy: true };
  expect(lossNames.map((name) => lossType(name, greedy))).toEqual(["binary", "signed", "binary", "unit"]);
  expect(lossType("harm", { ...greedy, metric: tokenF1 as ItemMetric })).toBe("unit");
  expect(lossType("nats", { ...greedy, greedy: false })).toBe("signed");
});

test("the default loss of the items", () => {
  expect(usualLoss({ metric, greedy: true })).toBe("harm");
  expect(usualLoss({ metric, greedy: false })).toBe("quality");
  for (const greedy of [true, false]) expect(usualLoss({ metric: undefined, greedy })).toBe("nats");
});

test("a loss that does not fit the items or the sampling is refused", () => {
  expect(() => checkLoss("harm", { metric: undefined, greedy: true })).toThrow(/expected items with answers/);
  for (const loss of ["harm", "agreement"] as const)
    expect(() => checkLoss(loss, { metric, greedy: false })).toThrow(`--loss ${loss} needs greedy answers`);
  for (const loss of ["quality", "nats"] as const) checkLoss(loss, { metric, greedy: false });
});
