import { expect, test } from "vitest";
import { Graph, type Tensor } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { type NdArray, ndarray } from "../graph/ndarray.ts";
import { seededRandom } from "../util/random.ts";
import { type GatedDeltaConfig, gatedDeltaRule, gatedDeltaStateSize, gatedDeltaStep } from "./gated-delta.ts";
import { type MixerWeights, tensorsOf } from "./mixer-weights.ts";

const TOKENS = 6;
const sizes: GatedDeltaConfig = {
  ...{ hidden: 4, keyHeads: 2, heads: 4, keySize: 3, valueSize: 2, convWidth: 3, epsilon: 1e-5 },
  ...{ byHead: true, apart: false, tiled: false },
};

/** Random values for every requested tensor; the same name always gets the same values. */
function weightsIn(g: Graph, feeds: Record<string, NdArray>): MixerWeights {
  const known = new Map<string, Tensor>();
  return tensorsOf((name, shape) => {
    const random = seededRandom([...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0));
    const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() - 0.5);
    feeds[name] ??= ndarray(shape, data);
    const tensor = known.get(name) ?? g.input(name, "f32", shape);
    known.set(name, tensor);
    return tensor;
  });
}

const random = seededRandom(7);
const x = ndarray(
  [2, TOKENS, 4],
  Float64Array.from({ length: 2 * TOKENS * 4 }, () => 2 * random() - 1),
);

const rowsOf = ({ data }: NdArray, from: number, to: number): NdArray =>
  ndarray(
    [2, to - from, 4],
    Float64Array.from([0, 1].flatMap((b) => [...data.subarray((b * TOKENS + from) * 4, (b * TOKENS + to) * 4)])),
  );

function whole(config: GatedDeltaConfig): NdArray {
  const g = new Graph();
  const feeds: Record<string, NdArray> = { x };
  g.output("y", gatedDeltaRule(weightsIn(g, feeds), config, g.input("x", "f32", x.shape)));
  return interpret(g, feeds, {})["y"]!;
}

function inSteps(config: GatedDeltaConfig, steps: readonly number[]): NdArray[] {
  let carried = ndarray([2, gatedDeltaStateSize(config)]);
  let at = 0;
  return steps.map((tokens) => {
    const g = new Graph();
    const feeds: Record<string, NdArray> = { x: rowsOf(x, at, at + tokens), state: carried };
    const state = g.input("state", "f32", carried.shape);
    const result = gatedDeltaStep(weightsIn(g, feeds), config, g.input("x", "f32", [2, tokens, 4]), state);
    g.output("y", result.y);
    g.output("next", result.state);
    const got = interpret(g, feeds, {});
    carried = got["next"]!;
    at += tokens;
    return got["y"]!;
  });
}

test.each([
  [true, [6]],
  [true, [1, 5]],
  [true, [1, 1, 1, 1, 1, 1]],
  [false, [2, 4]],
] as const)("by head %s: tokens in steps of %j equal whole sequences", (byHead, steps) => {
  const config = { ...sizes, byHead };
  const expected = whole(config);
  let at = 0;
  for (const part of inSteps(config, steps)) {
    const tokens = part.shape[1]!;
    const rows = rowsOf(expected, at, at + tokens).data;
    for (const [i, value] of part.data.entries()) expect(value).toBeCloseTo(rows[i]!, 8);
    at += tokens;
  }
});

/** A token whose keys are so large that the epsilon in their norm does not matter. */
const KEYED = [100, 200, 300, 400];

test("a value that the state already gives for its key is not written again", () => {
  // Without decay, and with values written in full, a repeated token does not change the state.
  const g = new Graph();
  const feeds: Record<string, NdArray> = { x: ndarray([1, 2, 4], Float64Array.of(...KEYED, ...KEYED)) };
  const weights = weightsIn(g, feeds);
  const config = { ...sizes, convWidth: 2 };
  const state = g.input("state", "f32", [1, gatedDeltaStateSize(config)]);
  feeds["state"] = ndarray([1, gatedDeltaStateSize(config)]);
  const { state: next } = gatedDeltaStep(weights, config, g.input("x", "f32", [1, 2, 4]), state);
  g.output("next", next);
  feeds["A_log"] = ndarray([4], new Float64Array(4).fill(-40));
  // Only the token's own input counts in the convolution.
  const filters = feeds["conv1d.weight"]!;
  feeds["conv1d.weight"] = { ...filters, data: filters.data.map((v, i) => (i % 2 === 0 ? 0 : v)) };
  feeds["delta_ba.weight"] = { ...feeds["delta_ba.weight"]!, data: feeds["delta_ba.weight"]!.data.map(() => 20) };
  const scan = (of: Graph, values: Record<string, NdArray>) => interpret(of, values, {})["next"]!.data.subarray(20);
  const twice = scan(g, feeds);
  const once = new Graph();
  const single: Record<string, NdArray> = { ...feeds, x: ndarray([1, 1, 4], Float64Array.of(...KEYED)) };
  const own = weightsIn(once, single);
  const before = once.input("state", "f32", [1, gatedDeltaStateSize(config)]);
  once.output("next", gatedDeltaStep(own, config, once.input("x", "f32", [1, 1, 4]), before).state);
  for (const [i, value] of scan(once, single).entries())
    expect(Math.abs(twice[i]! - value)).toBeLessThan(1e-3 * Math.abs(value) + 1e-6);
});
