/** Compares with the chunked scan of Mamba-2's own code, and its gradients. */
import { expect, test } from "vitest";
import { Graph, gradient, sumTo, times } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { ndarray } from "../graph/ndarray.ts";
import { authorsFixture, farthest, numbers } from "../util/authors.testing.ts";
import { chunkedScan } from "./ssd.ts";

const parts = ["v", "decay", "b", "c"] as const;
interface Fixture {
  tokens: number;
  heads: number;
  size: number;
  n: number;
  y: number[];
  gradients: Record<(typeof parts)[number], number[]>;
}
const { repository, tokens, heads, size, n, ...of } = authorsFixture<Fixture>("ssd-authors.json", import.meta.url);

test.each([1, 4, 12])(`results and gradients in chunks of %d, as in ${repository}`, (chunk) => {
  const shapes = { v: [heads, size], decay: [heads], b: [heads, n], c: [heads, n] };
  const drawn = (seed: number, shape: readonly number[]) => numbers(seed, tokens * shape.reduce((a, b) => a * b));
  const g = new Graph();
  const inputs = Object.fromEntries(parts.map((part) => [part, g.input(part, "f32", [1, tokens, ...shapes[part]])]));
  const [v, decay, b, c] = parts.map((part) => inputs[part]!);
  const y = chunkedScan({ v: v!, decay: decay!, b: b!, c: c! }, chunk);
  const along = g.input("along", "f32", [1, tokens, ...shapes.v]);
  g.output("y", y);
  const gradients = gradient(sumTo(times(y, along), []), [v!, decay!, b!, c!]);
  for (const [i, part] of parts.entries()) g.output(`d${part}`, gradients[i]!);
  const feeds = Object.fromEntries(
    parts.map((part, i) => {
      const values = Array.from(drawn(71 + i, shapes[part]), (x) => (part === "decay" ? x - 1 : x));
      return [part, ndarray([1, tokens, ...shapes[part]], values)];
    }),
  );
  const result = interpret(g, { ...feeds, along: ndarray([1, tokens, ...shapes.v], [...drawn(75, shapes.v)]) }, {});
  expect(farthest([...result["y"]!.data], of.y)).toBeLessThanOrEqual(1e-5);
  for (const part of parts)
    expect(farthest([...result[`d${part}`]!.data], of.gradients[part]), part).toBeLessThanOrEqual(1e-5);
});
