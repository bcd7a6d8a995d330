import { expect, test } from "vitest";
import { diagonalScan, Graph, gatedLinearAttention, sym, type Tensor } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { type NdArray, ndarray } from "../graph/ndarray.ts";
import { compare, type Feed, noise, type Trial } from "../runtime/compare.testing.ts";
import { seededRandom } from "../util/random.ts";
import { type MambaConfig, mamba, mambaStateSize, mambaStep } from "./mamba.ts";
import { tensorsOf } from "./mixer-weights.ts";

const softplus = (v: number) => Math.log(1 + Math.exp(v));
const silu = (v: number) => v / (1 + Math.exp(-v));

const far = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length);
  return Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);
};

/** An array of `shape` from a formula of its indices. */
function arrayOf(shape: readonly number[], f: (...index: number[]) => number): NdArray {
  const strides = shape.map((_, a) => shape.slice(a + 1).reduce((product, size) => product * size, 1));
  const y = ndarray(shape);
  return { ...y, data: y.data.map((_, i) => f(...shape.map((size, a) => Math.floor(i / strides[a]!) % size))) };
}

/** A scan of 2 channels with states of 3 numbers, over 4 tokens; the expected results were computed independently in float64. */
const [CHANNELS, STATES, TOKENS] = [2, 3, 4];
const step = (t: number, d: number) => softplus(Math.cos(0.7 * (t + 1) + d) - 1 + 0.5 * d);
const u = (t: number, d: number) => Math.sin(0.3 * (t + 1) * (d + 1));
const scan = {
  v: arrayOf([1, TOKENS, CHANNELS], (_, t, d) => step(t!, d!) * u(t!, d!)),
  decay: arrayOf([1, TOKENS, CHANNELS * STATES], (_, t, i) => -((i! % STATES) + 1) * step(t!, Math.floor(i! / STATES))),
  b: arrayOf([1, TOKENS, STATES], (_, t, n) => Math.sin(0.5 * (n! + 1) + 0.2 * t!)),
  c: arrayOf([1, TOKENS, STATES], (_, t, n) => Math.cos(0.3 * (n! + 1) - 0.4 * t!)),
};
const ungated = [
  [0.60063143, 1.23699951, 1.63988691, 1.75245696],
  [1.04883775, 1.90811732, 2.16836763, 1.66409077],
];
const gated = [
  [0.18693432, 0.18952172, -0.15292266, -0.32852196],
  [0.1606933, -0.17793567, -0.40649008, -0.22788551],
];
const lastState = [
  [0.35425273, 0.37676207, 0.30277886],
  [0.42241067, 0.42413984, 0.32286935],
];

/** With the skip D = 1 + 0.1 d. */
const skipped = (y: number, t: number, d: number) => y + (1 + 0.1 * d) * u(t, d);

test("a selective scan by linear attention, a channel a head", () => {
  const g = new Graph();
  const input = (name: keyof typeof scan) => g.input(name, "f32", scan[name].shape);
  const state = g.input("state", "f32", [1, CHANNELS, STATES, 1]);
  const operands = { q: input("c"), k: input("b"), v: input("v"), decay: input("decay"), state };
  const { y, state: next } = gatedLinearAttention(operands, { heads: CHANNELS, groups: 1 });
  g.output("y", y);
  g.output("next", next);
  const result = interpret(g, { ...scan, state: ndarray([1, CHANNELS, STATES, 1]) }, {});
  for (let d = 0; d < CHANNELS; d++) {
    for (let t = 0; t < TOKENS; t++) {
      const value = skipped(result["y"]!.data[t * CHANNELS + d]!, t, d);
      expect(value).toBeCloseTo(ungated[d]![t]!, 7);
      expect(value * silu(0.5 * Math.cos(t + d))).toBeCloseTo(gated[d]![t]!, 7);
    }
    for (let n = 0; n < STATES; n++) expect(result["next"]!.data[d * STATES + n]).toBeCloseTo(lastState[d]![n]!, 7);
  }
});

test("the scan that trains goes through the same states", () => {
  const g = new Graph();
  const written = arrayOf([1, TOKENS, CHANNELS * STATES], (_, t, i) => {
    const [d, n] = [Math.floor(i! / STATES), i! % STATES];
    return scan.v.data[t! * CHANNELS + d]! * scan.b.data[t! * STATES + n]!;
  });
  g.output("s", diagonalScan(g.input("u", "f32", written.shape), g.input("decay", "f32", scan.decay.shape)));
  const { data } = interpret(g, { u: written, decay: scan.decay }, {})["s"]!;
  expect(far(data.subarray((TOKENS - 1) * CHANNELS * STATES), lastState.flat())).toBeLessThan(1e-7);
});

/** A mixer's weights with Hugging Face's names and layout: matrices [outputs, inputs]. */
const mambaWeights = ({ hidden, inner, stateSize, stepRank, convWidth }: MambaConfig) =>
  ({
    "in_proj.weight": [2 * inner, hidden],
    "conv1d.weight": [inner, 1, convWidth],
    "conv1d.bias": [inner],
    "x_proj.weight": [stepRank + 2 * stateSize, inner],
    "dt_proj.weight": [inner, stepRank],
    "dt_proj.bias": [inner],
    A_log: [inner, stateSize],
    D: [inner],
    "out_proj.weight": [hidden, inner],
  }) as const satisfies Readonly<Record<string, readonly number[]>>;

/** A mixer whose i-th weights are ½ sin(a i + b); the expected results were computed independently. */
const config: MambaConfig = { hidden: 4, inner: 8, stateSize: 3, stepRank: 2, convWidth: 4 };
const wave =
  (a: number, b: number, factor = 0.5, shift = 0) =>
  (i: number) =>
    factor * Math.sin(a * i + b) + shift;
const formulas: Readonly<Record<keyof ReturnType<typeof mambaWeights>, (i: number) => number>> = {
  "in_proj.weight": wave(0.9, 0.1),
  "conv1d.weight": wave(0.7, 0.3),
  "conv1d.bias": wave(1.1, 0.2, 0.1),
  "x_proj.weight": wave(0.8, 0.4),
  "dt_proj.weight": wave(1.3, 0.5),
  "dt_proj.bias": wave(0.6, 0.7, 0.5, -1),
  A_log: (i) => Math.log((i % 3) + 1),
  D: (i) => 1 + 0.05 * i,
  "out_proj.weight": wave(1, 0.6),
};
const weights = Object.fromEntries(
  Object.entries(mambaWeights(config)).map(([name, shape]) => {
    const y = ndarray(shape);
    return [name, { ...y, data: y.data.map((_, i) => formulas[name as keyof typeof formulas](i)) }];
  }),
);
const x = arrayOf([1, 5, 4], (_, t, i) => Math.cos(0.5 * (4 * t! + i!) + 0.2));
const rows = [
  [0.0375796, -0.0166582, -0.0327321, 0.0261833],
  [0.0254671, 0.0033573, -0.0264441, 0.004338],
  [0.0241161, 0.011947, -0.0275927, -0.0039175],
  [0.0226237, -0.0172569, -0.017602, 0.022379],
  [-0.0177475, 0.0023164, 0.0170734, -0.0072847],
];

const weightsIn = (g: Graph) => {
  const known = new Map<string, Tensor>();
  return tensorsOf((name, shape) => {
    const tensor = known.get(name) ?? g.input(name, "f32", shape);
    known.set(name, tensor);
    return tensor;
  });
};

function whole(of: NdArray): Float64Array {
  const g = new Graph();
  g.output("y", mamba(weightsIn(g), config, g.input("x", "f32", of.shape)));
  return interpret(g, { ...weights, x: of }, {})["y"]!.data;
}

/** Runs the scan in steps of a few tokens, passing the state on. */
function inSteps(of: NdArray, steps: readonly number[]): number[] {
  const g = new Graph();
  const input = g.input("x", "f32", [1, sym("tokens"), config.hidden]);
  const { y, state } = mambaStep(weightsIn(g), config, input, g.input("state", "f32", [1, mambaStateSize(config)]));
  g.output("y", y);
  g.output("next", state);
  let carried = ndarray([1, mambaStateSize(config)]);
  const all: number[] = [];
  for (let at = 0, i = 0; i < steps.length; at += steps[i++]!) {
    const data = of.data.subarray(at * config.hidden, (at + steps[i]!) * config.hidden);
    const part = ndarray([1, steps[i]!, config.hidden], data);
    const outputs = interpret(g, { ...weights, x: part, state: carried }, { tokens: steps[i]! });
    all.push(...outputs["y"]!.data);
    carried = outputs["next"]!;
  }
  return all;
}

test("a whole mixer", () => {
  expect(far(whole(x), rows.flat())).toBeLessThan(1e-7);
});

test.each([[[5]], [[1, 4]], [[2, 3]], [[3, 2]], [[4, 1]], [[1, 1, 1, 1, 1]]])(
  "the same after a split at %j",
  (steps) => {
    expect(far(inSteps(x, steps), rows.flat())).toBeLessThan(1e-7);
  },
);

test("a token changes none before it", () => {
  const changed = { ...x, data: Float64Array.from(x.data, (v, i) => (i >= 12 ? v + 1 : v)) };
  const [a, b] = [whole(x), whole(changed)];
  expect(a.subarray(0, 12)).toEqual(b.subarray(0, 12));
  expect(far(a.subarray(12), b.subarray(12))).toBeGreaterThan(1e-3);
});

test("x and the gate are told apart", () => {
  const swapped = weights["in_proj.weight"]!;
  const half = swapped.data.length / 2;
  const data = Float64Array.from(swapped.data, (_, i) => swapped.data[(i + half) % (2 * half)]!);
  const g = new Graph();
  g.output("y", mamba(weightsIn(g), config, g.input("x", "f32", x.shape)));
  const { data: y } = interpret(g, { ...weights, "in_proj.weight": { ...swapped, data }, x }, {})["y"]!;
  expect(far(y, rows.flat())).toBeGreaterThan(1e-3);
});

test.each([
  [true, undefined],
  [false, undefined],
  [true, 1e-3],
  [false, 1e-3],
])("ONNX Runtime computes a mixer, trained %s, norms' epsilon %s", async (trains, normEpsilon) => {
  const wide: MambaConfig = { hidden: 24, inner: 40, stateSize: 16, stepRank: 2, convWidth: 4, normEpsilon };
  const random = seededRandom(1);
  const feed = (shape: readonly number[], value: () => number): Feed => {
    const data = Float32Array.from({ length: shape.reduce((n, size) => n * size, 1) }, value);
    return { dtype: "f32", shape, data };
  };
  const shapes = Object.entries(mambaWeights(wide));
  const trial: Trial = {
    inputs: {
      ...Object.fromEntries(shapes.map(([name, shape]) => [name, feed(shape, () => random() - 0.5)])),
      x: noise(5, [2, 33, 24]),
      ...(!trains && { state: noise(6, [2, mambaStateSize(wide)]) }),
    },
    trace(t) {
      const of = tensorsOf((name) => t[name]!);
      if (trains) return { y: mamba(of, wide, t["x"]!) };
      const { y, state } = mambaStep(of, wide, t["x"]!, t["state"]!);
      return { y, next: state };
    },
  };
  for (const { got, expected } of Object.values(await compare(trial)))
    expect(far(got.data, expected.data)).toBeLessThan(1e-5);
});
