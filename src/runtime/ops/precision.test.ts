import { expect, test } from "vitest";
import { Graph } from "../../graph/graph.ts";
import { exp, scale, times } from "../../graph/ops/elementwise.ts";
import { gatedLinearAttention } from "../../graph/ops/linear-attention.ts";
import { linear } from "../../graph/ops/matmul.ts";
import { roundTo } from "../../graph/ops/round.ts";
import { inPrecision, type PrecisionPolicy } from "../../graph/precision.ts";
import { seededRandom } from "../../util/random.ts";
import { Buffer } from "../buffer.ts";
import { compare, noise } from "../compare.testing.ts";
import { Program } from "../program.ts";

/** The number of channels, the size of a channel's state, and the number of tokens. */
const [D, N, T] = [8, 16, 2000];

/** One token of a selective scan: steps dt [D·N, one for each element of the state], u, B and C → y and the state. */
function scanGraph(): Graph {
  const g = new Graph();
  const input = (name: string, width: number) => g.input(name, "f32", [1, 1, width]);
  const rates = scale(exp(input("A_log", D * N)), -1);
  const decay = times(input("dt", D * N), rates);
  const state = g.input("state", "f32", [1, D, N, 1]);
  const scan = gatedLinearAttention(
    { q: input("c", N), k: input("b", N), v: input("v", D), state, decay },
    { heads: D, groups: 1 },
  );
  g.output("y", scan.y);
  g.output("stateOut", scan.state);
  return g;
}

/** Returns y [T, D] of one random layer run in a precision; every precision rounds the steps, as kernels read them. */
async function run(precision: PrecisionPolicy): Promise<Float64Array> {
  using program = await Program.compile(inPrecision(scanGraph(), precision));
  const sizes = { A_log: D * N, dt: D * N, c: N, b: N, v: D, state: D * N, y: D, stateOut: D * N };
  const buffers = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, new Buffer("f32", size)]));
  const memory = (name: keyof typeof sizes) => new Float32Array(buffers[name]!.memory);
  const shapeOf = (name: string, size: number) => (name.startsWith("state") ? [1, D, N, 1] : [1, 1, size]);
  const bound = program.bind(
    Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, buffers[name]!.view(shapeOf(name, size))])),
  );
  const random = seededRandom(11);
  // x, B and C come from a SiLU, so their mean is not 0.
  const silu = () => {
    const x = 2 * (random() + random() + random() - 1.5);
    return x / (1 + Math.exp(-x));
  };
  memory("A_log").set(Array.from({ length: D * N }, (_, i) => Math.log(1 + (i % N))));
  // Each channel's steps as at the start of training: evenly spread on a log scale.
  const steps = Array.from({ length: D }, (_, i) => 0.0011 * (0.07 / 0.0011) ** (i / (D - 1)));
  const held = precision === "fp32" ? steps : steps.map((step) => roundTo(step, "bf16"));
  const result = new Float64Array(T * D);
  memory("state").fill(0);
  for (let t = 0; t < T; t++) {
    memory("dt").set(Array.from({ length: D * N }, (_, i) => held[Math.floor(i / N)]!));
    memory("v").set(held.map((step) => step * silu()));
    for (const name of ["b", "c"] as const) memory(name).set(Array.from({ length: N }, silu));
    bound.runSync();
    result.set(memory("y"), t * D);
    memory("state").set(memory("stateOut"));
  }
  for (const buffer of Object.values(buffers)) buffer[Symbol.dispose]();
  return result;
}

test("a state that is held in bf16 drifts away; in mixed precision it does not", async () => {
  const exact = await run("fp32");
  const error = (actual: Float64Array, from: number, to: number) => {
    let sum = 0;
    for (let i = from * D; i < to * D; i++) sum += Math.abs(actual[i]! - exact[i]!);
    return sum / (to - from) / D;
  };
  const ratio = (actual: Float64Array) => error(actual, T - 100, T) / error(actual, 0, 100);
  expect(ratio(await run("amp-bf16"))).toBeLessThan(2);
  // The ratio exceeds 10 for this seed; it is 2.5 and 7.9 with other steps and inputs (docs/log.md).
  expect(ratio(await run("pure-bf16"))).toBeGreaterThan(2);
});

test("mixed precision rounds the operands and the result of a product, and nothing else", async () => {
  const [x, w] = [noise(1, [3, 5]), noise(2, [5, 4])];
  const g = new Graph();
  const [a, b] = [g.input("x", "f32", [3, 5]), g.input("w", "f32", [5, 4])];
  g.output("y", exp(linear(a, b)));
  const names = (precision: PrecisionPolicy) => inPrecision(g, precision).nodes.map(({ op }) => op.name);
  expect(names("fp32")).toEqual(["linear", "exp"]);
  expect(names("amp-bf16")).toEqual(["round", "round", "linear", "round", "exp"]);
  expect(names("pure-bf16")).toEqual(["round", "round", "linear", "round", "exp", "round"]);
  const { y } = await compare({ inputs: { x, w }, trace: (t) => ({ y: linear(t["x"]!, t["w"]!) }) });
  expect(y!.got.shape).toEqual([3, 4]);
});
