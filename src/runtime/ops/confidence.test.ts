import { expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { Graph } from "../../graph/graph.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { ndarray } from "../../graph/ndarray.ts";
import { confidence } from "../../graph/ops/confidence.ts";
import { noise, worst } from "../compare.testing.ts";

test.each([
  { shape: [1, 1, 4], reach: 1 },
  { shape: [1, 3, 33], reach: 20 },
  { shape: [2, 2, 1000], reach: 200 },
])("the confidence of $shape equals its reference", async ({ shape, reach }) => {
  const x = noise(1, shape, [sym("batch"), sym("tokens"), shape[2]!]);
  const logits = { ...x, data: Float32Array.from(x.data as Float32Array, (v) => reach * v) };
  const bindings = { batch: shape[0]!, tokens: shape[1]! };
  expect(await worst({ inputs: { logits }, bindings, trace: (t) => ({ y: confidence(t["logits"]!) }) })).toBeLessThan(
    1e-5,
  );
});

test("the numbers of a small example", () => {
  const g = new Graph();
  g.output("y", confidence(g.input("logits", "f32", [1, 4])));
  const { y } = interpret(g, { logits: ndarray([1, 4], [2, 1, 0.5, 0]) }, {});
  const [most, margin, certainty] = y!.data;
  expect(most).toBeCloseTo(0.579259, 6);
  expect(margin).toBeCloseTo(0.366161, 6);
  expect(certainty).toBeCloseTo(1 - 0.800528, 6);
});
