import { expect, test } from "vitest";
import { Graph, gatedLinearAttention } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { type NdArray, ndarray } from "../graph/ndarray.ts";
import { noise } from "../runtime/compare.testing.ts";
import { chunkedScan, chunkOf } from "./ssd.ts";

/** An array [4 tokens, …] from a formula of its indices. */
function arrayOf(shape: readonly number[], f: (...index: number[]) => number): NdArray {
  const strides = shape.map((_, a) => shape.slice(a + 1).reduce((product, size) => product * size, 1));
  const y = ndarray([1, ...shape]);
  return { ...y, data: y.data.map((_, i) => f(...shape.map((size, a) => Math.floor(i / strides[a]!) % size))) };
}

const [TOKENS, HEADS, SIZE, N] = [4, 2, 2, 3];
const softplus = (v: number) => Math.log(1 + Math.exp(v));
const x = (t: number, h: number, p: number) => Math.sin(0.4 * (t + 1) + 0.9 * h + 0.5 * p);
const step = (t: number, h: number) => softplus(Math.cos(0.6 * t + h) + [-1, -0.5][h]!);
const inputs = {
  v: arrayOf([TOKENS, HEADS, SIZE], (t, h, p) => step(t!, h!) * x(t!, h!, p!)),
  decay: arrayOf([TOKENS, HEADS], (t, h) => step(t!, h!) * [-1, -2.5][h!]!),
  b: arrayOf([TOKENS, 1, N], (t, _, n) => Math.sin(0.3 * (n! + 1) + 0.2 * t!)),
  c: arrayOf([TOKENS, 1, N], (t, _, n) => Math.cos(0.25 * (n! + 1) - 0.3 * t!)),
};

/** Computed independently, in float64, from the recurrence with the skip D = [1, 0.5]. */
const expected = [
  [0.75516706, 1.51904165, 1.41334524, 1.42843778],
  [1.81313819, 2.58778785, 1.74284322, 1.48649897],
  [2.61935727, 3.09712037, 1.65510294, 1.15735885],
  [2.85821006, 2.94009908, 1.28863177, 0.64191],
];

function scanned(of: typeof inputs, chunk: number): NdArray {
  const g = new Graph();
  const input = (name: keyof typeof inputs) => g.input(name, "f32", of[name].shape);
  g.output("y", chunkedScan({ v: input("v"), decay: input("decay"), b: input("b"), c: input("c") }, chunk));
  return interpret(g, of, {})["y"]!;
}

test.each([1, 2, TOKENS])("in chunks of %d tokens", (chunk) => {
  const { data } = scanned(inputs, chunk);
  for (const [t, row] of expected.entries())
    for (const [i, value] of row.entries()) {
      const [h, p] = [Math.floor(i / SIZE), i % SIZE];
      expect(data[t * HEADS * SIZE + i]! + [1, 0.5][h]! * x(t, h, p)).toBeCloseTo(value, 7);
    }
});

test("linear attention leaves the state", () => {
  const g = new Graph();
  const flat = (name: keyof typeof inputs) => g.input(name, "f32", [1, TOKENS, inputs[name].data.length / TOKENS]);
  const state = g.input("state", "f32", [1, HEADS, N, SIZE]);
  const operands = { q: flat("c"), k: flat("b"), v: flat("v"), decay: flat("decay"), state };
  g.output("next", gatedLinearAttention(operands, { heads: HEADS, groups: 1 }).state);
  const feeds = Object.entries(inputs).map(([name, { data }]) => {
    return [name, ndarray([1, TOKENS, data.length / TOKENS], data)] as const;
  });
  const { data } = interpret(g, { ...Object.fromEntries(feeds), state: ndarray([1, HEADS, N, SIZE]) }, {})["next"]!;
  for (const [n, value] of [0.52630101, 0.69745667, 0.80631061].entries()) expect(data[n * SIZE]).toBeCloseTo(value, 7);
});

test("any chunk gives the same, with groups, also where little is kept", () => {
  const array = (seed: number, shape: readonly number[], f: (v: number) => number = (v) => v) => ({
    shape,
    data: Float64Array.from(noise(seed, shape).data, f),
  });
  const of = {
    v: array(1, [2, 12, 4, 3]),
    decay: array(2, [2, 12, 4], (v) => -Math.exp(4 * v)),
    b: array(3, [2, 12, 2, 5]),
    c: array(4, [2, 12, 2, 5]),
  };
  const whole = scanned(of, 12);
  for (const chunk of [1, 3, 4])
    for (const [i, v] of scanned(of, chunk).data.entries()) expect(v).toBeCloseTo(whole.data[i]!, 10);
});

test.each([
  [512, 64],
  [96, 48],
  [130, 26],
  [61, 61],
  [127, 1],
])("%d tokens run in chunks of %d", (tokens, chunk) => expect(chunkOf(tokens)).toBe(chunk));
