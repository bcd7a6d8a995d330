import { expect, test } from "vitest";
import { aurocOfWrong } from "./auroc.ts";

const one = (score: number, swift: number) => ({ score, swift });

test("is 1 if all wrong answers score lower, and counts ties half", () => {
  expect(aurocOfWrong([one(1, 0), one(2, 1), one(3, 1)])).toBe(1);
  expect(aurocOfWrong([one(2, 0), one(2, 1), one(1, 1)])).toBe(0.25);
  expect(aurocOfWrong([one(Number.NaN, 0), one(2, 1), one(1, 1)])).toBe(1);
});

test("is NaN if Swift answers all alike", () => {
  expect(aurocOfWrong([one(2, 1), one(1, 1)])).toBeNaN();
});
