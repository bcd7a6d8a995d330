import { expect, test } from "vitest";
import { byScore, repaired, scoresByRank, written } from "./order.ts";

test("places by score, ties in their order", () => {
  expect(byScore([1, 3, 3, -2, 5])).toEqual([4, 1, 2, 0, 3]);
  expect(byScore([0, 0, 0])).toEqual([0, 1, 2]);
});

test("of twenty letters, the five with a score come first, and the others keep their order", () => {
  const scores = Array.from({ length: 20 }, (_, i) => (i % 4 === 3 ? i : undefined));
  const rest = Array.from({ length: 20 }, (_, i) => i).filter((i) => i % 4 !== 3);
  expect(byScore(scores)).toEqual([19, 15, 11, 7, 3, ...rest]);
});

test.each([
  ["[C] > [A] > [B]", [2, 0, 1]],
  ["[C] > [C] > [Z] > [A]", [2, 0, 1]],
  ["[B", [0, 1, 2]],
  ["A, then [b] and [ B ]", [1, 0, 2]],
  ["", [0, 1, 2]],
])("%s is a permutation of three", (text, order) => {
  expect(repaired(written(text), 3)).toEqual(order);
});

test("a score is one over the rank, by item", () => {
  expect(scoresByRank([2, 0, 1])).toEqual([1 / 2, 1 / 3, 1]);
});
