import { expect, test } from "vitest";
import { recommend } from "./recommend.ts";

/** Unit vectors near one of two directions, selected by `i`. */
const near = (axis: number, i: number): Float32Array => {
  const vector = [0.1 * Math.sin(i), 0.1 * Math.cos(i), 0.1, 0.1];
  vector[axis]! += 1;
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => value / length);
};
const papers = Array.from({ length: 20 }, (_, i) => ({
  id: `${i % 2 ? "b" : "a"}${i}`,
  vector: near(i % 2 ? 2 : 3, i),
}));

test("papers like the saved ones come first, each because of similar saved papers", () => {
  const recommendation = recommend(papers, new Set(["a0", "a2", "a4"]), 7)!;
  expect(recommendation.every(({ id }) => id.startsWith("a"))).toBe(true);
  for (const { because } of recommendation) expect(["a0", "a2", "a4"]).toEqual(expect.arrayContaining([...because]));
  expect(recommendation[0]!.because.length).toBeGreaterThan(0);
  expect(recommend(papers, new Set(["b1", "b3", "b5"]), 7)!.every(({ id }) => id.startsWith("b"))).toBe(true);
});

test("with two interests, each paper's reasons are of its own kind", () => {
  const recommendation = recommend(papers, new Set(["a0", "a2", "a4", "b1", "b3", "b5"]), 14)!;
  expect(recommendation.flatMap(({ because }) => because).length).toBeGreaterThan(14);
  for (const { id, because } of recommendation) expect(because.every((saved) => saved[0] === id[0])).toBe(true);
});

test("too few saved papers, or too few others, return nothing", () => {
  expect(recommend(papers, new Set(["a0", "a2"]), 5)).toBeUndefined();
  expect(recommend(papers, new Set(papers.slice(2).map(({ id }) => id)), 5)).toBeUndefined();
  expect(recommend(papers, new Set(["gone", "a0", "a2"]), 5)).toBeUndefined();
});
