import { expect, test } from "vitest";
import { median } from "./median.ts";

test("the middle value, or the mean of the middle two", () => {
  expect(median([10, 9, 100])).toBe(10);
  expect(median([10, 9, 100, 20])).toBe(15);
  expect(median(Float32Array.of(-1, -4))).toBe(-2.5);
  expect(median([])).toBeNaN();
});
