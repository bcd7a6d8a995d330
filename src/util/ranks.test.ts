import { expect, test } from "vitest";
import { ranksOf, spearman } from "./ranks.ts";

test("equal values share the mean of their ranks", () => {
  expect(ranksOf([3, 1, 3, 2])).toEqual([3.5, 1, 3.5, 2]);
});

test("the correlation is of ranks, whatever the distances", () => {
  expect(spearman([1, 2, 3], [10, 100, 1000])).toBeCloseTo(1, 12);
  expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1, 12);
  // scipy.stats.spearmanr
  expect(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.8207826816681233, 12);
  expect(spearman([1, 2], [1, 1])).toBeNaN();
});
