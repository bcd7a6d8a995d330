import { expect, test } from "vitest";
import { Graph, sym } from "../../../graph/index.ts";
import { interpret } from "../../../graph/interpret.testing.ts";
import { ndarray } from "../../../graph/ndarray.ts";
import { initialMamba2 } from "../../../nn/mamba2-init.ts";
import { seededRandom } from "../../../util/random.ts";
import { type DeciderKind, type DeciderSettings, mixerOf, stateSizeOf, traceDecider } from "./deciders.ts";

const HIDDEN = 8;
const settings = (kind: DeciderKind): DeciderSettings => ({ kind, width: 32 });
const random = seededRandom(9);
const noise = (length: number) => Float64Array.from({ length }, () => 2 * random() - 1);

const mixer = initialMamba2(mixerOf(settings("mamba"), HIDDEN), seededRandom(2));
const known = new Map<string, Float64Array>(
  Object.entries(mixer).map(([name, values]) => [`mamba.3.${name}`, Float64Array.from(values)]),
);

/** A decider's outputs for tokens [tokens, HIDDEN], in float64, continuing from `state` if it is set. */
function decide(kind: DeciderKind, stream: Float64Array, state?: Float64Array) {
  const g = new Graph();
  const tokens = stream.length / HIDDEN;
  const feeds: Record<string, ReturnType<typeof ndarray>> = { stream: ndarray([1, tokens, HIDDEN], stream) };
  const weightsOf = (name: string, shape: readonly number[]) => {
    const values = known.get(name) ?? noise(shape.reduce((product, size) => product * size, 1));
    known.set(name, values);
    feeds[name] = ndarray([...shape], values);
    return g.input(name, "f32", shape);
  };
  const x = g.input("stream", "f32", [1, state ? sym("tokens") : tokens, HIDDEN]);
  const before = state && g.input("state", "f32", [1, state.length]);
  if (state) feeds["state"] = ndarray([1, state.length], state);
  const decided = traceDecider(g, weightsOf, settings(kind), 3, x, before);
  g.output("found", decided.found);
  if (decided.state) g.output("next", decided.state);
  const results = interpret(g, feeds, { tokens });
  return { found: [...results["found"]!.data], state: results["next"]?.data };
}

test("mamba token by token finds what it finds over the whole sequence", () => {
  const stream = noise(6 * HIDDEN);
  const whole = decide("mamba", stream);
  let state: Float64Array = new Float64Array(stateSizeOf(settings("mamba")));
  for (let t = 0; t < 6; t++) {
    const step = decide("mamba", stream.subarray(t * HIDDEN, (t + 1) * HIDDEN), state);
    expect(step.found[0]).toBeCloseTo(whole.found[t]!, 9);
    state = step.state!;
  }
  const start = decide("mamba", stream.subarray(0, 4 * HIDDEN), new Float64Array(state.length));
  const end = decide("mamba", stream.subarray(4 * HIDDEN), start.state);
  expect(end.found[1]).toBeCloseTo(whole.found[5]!, 9);
});

test.each([
  ["mamba", false],
  ["linear", true],
  ["ffn", true],
] as const)("%s: the same last stream after another history is found the same: %s", (kind, same) => {
  const last = noise(HIDDEN);
  const after = (history: Float64Array) => decide(kind, Float64Array.of(...history, ...last)).found.at(-1)!;
  const [a, b] = [after(noise(3 * HIDDEN)), after(noise(3 * HIDDEN))];
  if (same) expect(a).toBe(b);
  else expect(Math.abs(a - b)).toBeGreaterThan(1e-3);
});

test("only mamba has a state", () => {
  expect(stateSizeOf(settings("mamba"))).toBeGreaterThan(0);
  for (const kind of ["linear", "ffn", "controller"] as const) expect(stateSizeOf(settings(kind))).toBe(0);
});
