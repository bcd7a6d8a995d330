import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Graph, pullback, sym, type Tensor } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { type NdArray, ndarray } from "../graph/ndarray.ts";
import { compare, type Feed, noise, type Trial } from "../runtime/compare.testing.ts";
import { seededRandom } from "../util/random.ts";
import { type Mamba2Config, mamba2, mamba2Config, mamba2StateSize, mamba2Step, mamba2Weights } from "./mamba2.ts";
import { initialMamba2 } from "./mamba2-init.ts";
import { tensorsOf } from "./mixer-weights.ts";

type Values = Readonly<Record<string, ArrayLike<number>>>;

/** A mixer's weights, given as inputs of a graph. */
const weightsIn = (g: Graph) => {
  const known = new Map<string, Tensor>();
  return (name: string, shape: readonly number[]) => {
    const tensor = known.get(name) ?? g.input(name, "f32", shape);
    known.set(name, tensor);
    return tensor;
  };
};

/** The mixer over whole sequences, from the operators' float64 references. */
function whole(config: Mamba2Config, weights: Values, x: NdArray): NdArray {
  const g = new Graph();
  g.output("y", mamba2(tensorsOf(weightsIn(g)), config, g.input("x", "f32", x.shape)));
  return interpret(g, { ...named(config, weights), x }, {})["y"]!;
}

/** Runs the mixer in steps of a few tokens, passing the state on. */
function inSteps(config: Mamba2Config, weights: Values, x: NdArray, steps: readonly number[]): number[][] {
  const [batch, tokens, hidden] = x.shape as [number, number, number];
  const g = new Graph();
  const input = g.input("x", "f32", [sym("batch"), sym("tokens"), hidden]);
  const stateSize = mamba2StateSize(config);
  const { y, state } = mamba2Step(
    tensorsOf(weightsIn(g)),
    config,
    input,
    g.input("state", "f32", [sym("batch"), stateSize]),
  );
  g.output("y", y);
  g.output("next", state);
  let carried = ndarray([batch, stateSize]);
  let at = 0;
  const rows: number[][] = Array.from({ length: batch }, () => []);
  for (const count of steps) {
    const part = ndarray([batch, count, hidden]);
    for (let b = 0; b < batch; b++)
      part.data.set(
        x.data.subarray((b * tokens + at) * hidden, (b * tokens + at + count) * hidden),
        b * count * hidden,
      );
    const result = interpret(g, { ...named(config, weights), x: part, state: carried }, { batch, tokens: count });
    for (const [b, row] of rows.entries()) {
      const width = count * config.outputs;
      row.push(...result["y"]!.data.subarray(b * width, (b + 1) * width));
    }
    carried = result["next"]!;
    at += count;
  }
  return rows;
}

const named = (config: Mamba2Config, weights: Values): Record<string, NdArray> =>
  Object.fromEntries(
    Object.entries(mamba2Weights(config)).map(([name, shape]) => [name, ndarray(shape, weights[name]!)]),
  );

const softplus = (v: number) => Math.log(1 + Math.exp(v));
const silu = (v: number) => v / (1 + Math.exp(-v));

/** Heads of a group are adjacent. */
const sideBySide = (head: number, heads: number, groups: number) => Math.floor(head / (heads / groups));

/** One sequence [tokens, hidden], token by token, by the paper's recurrence. */
function naive(config: Mamba2Config, w: Values, x: readonly number[][], groupOf = sideBySide): number[][] {
  const { hidden, inner, groups, stateSize: n, headSize: size, convWidth } = config;
  const [heads, channels] = [inner / size, inner + 2 * groups * n];
  const times = (name: string, rows: number, v: readonly number[]) =>
    Array.from({ length: rows }, (_, r) => v.reduce((sum, each, i) => sum + each * w[name]![r * v.length + i]!, 0));
  const window: number[][] = Array.from({ length: convWidth }, () => new Array(channels).fill(0));
  const state = Array.from({ length: inner }, () => new Array<number>(n).fill(0));
  return x.map((u) => {
    const projected = times("in_proj.weight", inner + channels + heads, u.slice(0, hidden));
    window.push(projected.slice(inner, inner + channels));
    window.shift();
    const mixed = Array.from({ length: channels }, (_, c) =>
      silu(
        window.reduce((sum, row, k) => sum + row[c]! * w["conv1d.weight"]![c * convWidth + k]!, 0) +
          w["conv1d.bias"]![c]!,
      ),
    );
    const y = state.map((row, i) => {
      const head = Math.floor(i / size);
      const group = groupOf(head, heads, groups);
      const step = softplus(projected[inner + channels + head]! + w["dt_bias"]![head]!);
      const keep = Math.exp(-step * Math.exp(w["A_log"]![head]!));
      let sum = w["D"]![head]! * mixed[i]!;
      for (let s = 0; s < n; s++) {
        row[s] = keep * row[s]! + step * mixed[i]! * mixed[inner + group * n + s]!;
        sum += row[s]! * mixed[inner + (groups + group) * n + s]!;
      }
      return sum * silu(projected[i]!);
    });
    const width = inner / groups;
    const roots = Array.from({ length: groups }, (_, g) =>
      Math.sqrt(y.slice(g * width, (g + 1) * width).reduce((sum, v) => sum + v * v, 0) / width + config.epsilon),
    );
    return times(
      "out_proj.weight",
      config.outputs,
      y.map((v, i) => (v / roots[Math.floor(i / width)]!) * w["norm.weight"]![i]!),
    );
  });
}

const far = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
};

const configs: readonly Mamba2Config[] = [
  mamba2Config(6, { inner: 12, headSize: 3, stateSize: 4 }),
  mamba2Config(8, { headSize: 2, groups: 2, stateSize: 3, outputs: 1 }),
];

/** Weights larger than the initial ones, with which the state would decay slowly. */
const weightsFor = (config: Mamba2Config, seed = 1): Values => {
  const random = seededRandom(seed);
  const initial = initialMamba2(config, random);
  return Object.fromEntries(Object.entries(initial).map(([name, v]) => [name, v.map((each) => each + random() - 0.5)]));
};

describe.each(configs)("a mixer of $hidden → $outputs, $groups groups", (config) => {
  const weights = weightsFor(config);
  // 68 tokens are two chunks, 7 tokens are one.
  test.each([1, 2, 7, 68])("%d tokens: whole, in steps and by the recurrence are one", (tokens) => {
    const { shape, data } = noise(3, [2, tokens, config.hidden]);
    const x = ndarray(shape, data);
    const y = whole(config, weights, x);
    const rows = [0, 1].map((b) =>
      Array.from({ length: tokens }, (_, t) => [
        ...x.data.subarray((b * tokens + t) * config.hidden, (b * tokens + t + 1) * config.hidden),
      ]),
    );
    const expected = rows.flatMap((row) => naive(config, weights, row).flat());
    expect(far(y.data, expected)).toBeLessThan(1e-6);
    if (tokens > 7) return;
    const splits = [new Array(tokens).fill(1), [tokens], ...(tokens > 2 ? [[2, tokens - 2]] : [])];
    for (const steps of splits)
      expect(far(inSteps(config, weights, x, steps).flat(), expected), `steps ${steps}`).toBeLessThan(1e-6);
  });

  test("a token changes none before it", () => {
    const { shape, data } = noise(3, [1, 12, config.hidden]);
    const changed = Float64Array.from(data, (v, i) => (i >= 7 * config.hidden ? v + 1 : v));
    const [a, b] = [whole(config, weights, ndarray(shape, data)), whole(config, weights, ndarray(shape, changed))];
    const early = 7 * config.outputs;
    expect(a.data.subarray(0, early)).toEqual(b.data.subarray(0, early));
    expect(far(a.data.subarray(early), b.data.subarray(early))).toBeGreaterThan(1e-3);
  });
});

test("heads that take turns in groups would give another result", () => {
  const config = mamba2Config(8, { headSize: 2, groups: 2, stateSize: 3, outputs: 1 });
  const { data } = noise(3, [1, 6, 8]);
  const rows = Array.from({ length: 6 }, (_, t) => Array.from(data).slice(t * 8, (t + 1) * 8));
  const weights = weightsFor(config);
  const turns = naive(config, weights, rows, (head, _, groups) => head % groups);
  expect(far(turns.flat(), naive(config, weights, rows).flat())).toBeGreaterThan(1e-4);
});

test("another history with the same last token gives another result, also beyond the convolution", () => {
  const config = mamba2Config(8, { headSize: 2, outputs: 1 });
  const { data } = noise(4, [1, 12, 8]);
  const other = Float64Array.from(data, (v, i) => (i < 16 ? -v : v));
  const last = (values: ArrayLike<number>) => whole(config, weightsFor(config), ndarray([1, 12, 8], values)).data[11]!;
  expect(Math.abs(last(data) - last(other))).toBeGreaterThan(1e-4);
});

test.each([
  { name: "in chunks", groups: 1, trains: true },
  { name: "after others", groups: 1, trains: false },
  { name: "after others, heads in groups", groups: 2, trains: false },
])("ONNX Runtime computes a mixer $name", async ({ groups, trains }) => {
  const tokens = 66;
  const config = mamba2Config(32, { outputs: 1, headSize: 8, groups });
  const weights = weightsFor(config);
  const feed = (shape: readonly number[], data: ArrayLike<number>): Feed => ({ dtype: "f32", shape, data });
  const stateSize = mamba2StateSize(config);
  const trial: Trial = {
    inputs: {
      ...Object.fromEntries(Object.entries(mamba2Weights(config)).map(([n, shape]) => [n, feed(shape, weights[n]!)])),
      x: noise(5, [2, tokens, 32]),
      ...(!trains && { state: noise(6, [2, stateSize]) }),
    },
    trace(t) {
      const of = tensorsOf((name) => t[name]!);
      if (trains) return { y: mamba2(of, config, t["x"]!) };
      const { y, state } = mamba2Step(of, config, t["x"]!, t["state"]!);
      return { y, next: state };
    },
  };
  for (const { got, expected } of Object.values(await compare(trial)))
    expect(far(got.data, expected.data)).toBeLessThan(1e-5);
});

/** Results of transformers' mixer: tools/reference/mamba2.py. */
const reference: {
  readonly sizes: Partial<Mamba2Config> & { readonly hidden: number };
  readonly batch: number;
  readonly tokens: number;
  readonly cases: readonly {
    readonly groups: number;
    readonly outputs: number;
    readonly weights: Values;
    readonly x: readonly number[];
    readonly given: readonly number[];
    readonly y: readonly number[];
    readonly gradients: Values;
  }[];
} = JSON.parse(readFileSync(new URL("./fixtures/mamba2.json", import.meta.url), "utf8"));

test.each(reference.cases)("results and gradients equal transformers': $groups groups, $outputs outputs", (of) => {
  const { sizes, batch, tokens } = reference;
  const config = mamba2Config(sizes.hidden, { ...sizes, groups: of.groups, outputs: of.outputs });
  const g = new Graph();
  const weightsOf = weightsIn(g);
  const x = g.input("x", "f32", [batch, tokens, sizes.hidden]);
  const y = mamba2(tensorsOf(weightsOf), config, x);
  const upstream = g.input("given", "f32", y.shape);
  const shapes = Object.entries(mamba2Weights(config));
  const wanted = [...shapes.map(([name, shape]) => weightsOf(name, shape)), x];
  const gradients = pullback([{ of: y, gradient: upstream }], wanted);
  g.output("y", y);
  for (const [i, name] of [...shapes.map(([n]) => n), "x"].entries()) g.output(`by ${name}`, gradients[i]!);
  const feeds = { x: ndarray(x.shape.map(Number), of.x), given: ndarray(y.shape.map(Number), of.given) };
  const values = interpret(g, { ...named(config, of.weights), ...feeds }, {});
  expect(far(values["y"]!.data, of.y)).toBeLessThan(1e-6);
  for (const [name, expected] of Object.entries(of.gradients))
    expect(far(values[`by ${name}`]!.data, expected), name).toBeLessThan(1e-6);
});
