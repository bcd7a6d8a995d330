import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Graph, graphCost, pullback, resizeBilinear, sym, type Tensor } from "../graph/index.ts";
import { compare, error, type Trial } from "../runtime/compare.testing.ts";

type Sides = [height: number, width: number];
interface Reference {
  readonly batch: number;
  readonly channels: number;
  readonly cases: readonly { from: Sides; to: Sides; x: number[]; y: number[]; dy: number[]; dx: number[] }[];
}

/** PyTorch's results, from tools/reference/resize.py. */
const { batch, channels, cases }: Reference = JSON.parse(
  readFileSync(new URL("fixtures/resize.json", import.meta.url), "utf8"),
);
const rows = sym("batch");

test.each(cases)("$from to $to is PyTorch's bilinear interpolation, and so is its gradient", async (value) => {
  const { from, to } = value;
  const [source, target] = [from, to].map((sides) => [batch, channels, ...sides]);
  const trial: Trial = {
    inputs: {
      x: { dtype: "f32", shape: source!, data: value.x, symbolic: [rows, ...source!.slice(1)] },
      dy: { dtype: "f32", shape: target!, data: value.dy, symbolic: [rows, ...target!.slice(1)] },
    },
    bindings: { batch },
    trace: ({ x, dy }) => {
      const y = resizeBilinear(x!, { height: to[0], width: to[1] });
      const [dx] = pullback([{ of: y, gradient: dy! }], [x!]);
      return { y, dx: dx! };
    },
  };
  const outcomes = await compare(trial);
  for (const [name, data] of Object.entries({ y: value.y, dx: value.dx })) {
    const { got, expected } = outcomes[name]!;
    const reference = { shape: got.shape, data: Float64Array.from(data) };
    expect(error({ got, expected: reference })).toBeLessThan(1e-6);
    expect(error({ got: expected, expected: reference })).toBeLessThan(1e-10);
  }
});

test("a place costs four multiply-adds; the way back two products", () => {
  const g = new Graph();
  const x = g.input("x", "f32", [rows, 3, 4, 5]);
  const y = resizeBilinear(x, { height: 8, width: 2 });
  expect(String(graphCost(g).flops)).toBe(`${3 * 8 * 2 * 8}*batch`);
  pullback([{ of: y, gradient: g.input("dy", "f32", [rows, 3, 8, 2]) }], [x]);
  const back = 2 * 3 * (4 * 8 * 2 + 4 * 2 * 5);
  expect(String(graphCost(g).flops)).toBe(`${3 * 8 * 2 * 8 + back}*batch`);
});

test("what cannot be resized is named", () => {
  const g = new Graph();
  const resize = (x: Tensor, height: number) => resizeBilinear(x, { height, width: 2 });
  expect(() => resize(g.input("x", "f32", [3, 4, 5]), 2)).toThrow('operand "x" is f32[3, 4, 5]');
  expect(() => resize(g.input("z", "f32", [1, 3, 4, 5]), 0)).toThrow("expected a target of at least 1 × 1, not 0 × 2");
});
