import { expect, test } from "vitest";
import { carve, tensorsToKeep } from "./carve.ts";
import { evalCost, graphCost } from "./cost.ts";
import { pullback } from "./gradient.ts";
import { noise } from "./gradient-case.testing.ts";
import { Graph } from "./graph.ts";
import { interpret } from "./interpret.testing.ts";
import { type NdArray, ndarray } from "./ndarray.ts";
import { plus, silu } from "./ops/elementwise.ts";
import { linear } from "./ops/matmul.ts";
import { rmsNorm } from "./ops/norm.ts";

/** x → y by two products, with a norm before them and an activation between them, and dy → the gradients of x and the weights. */
function traceBoth() {
  const g = new Graph();
  const x = g.input("x", "f32", [3, 4]);
  const weights = {
    gain: g.input("gain", "f32", [4]),
    up: g.input("up", "f32", [4, 6]),
    down: g.input("down", "f32", [6, 4]),
  };
  const inner = linear(rmsNorm(x, weights.gain, 0.1), weights.up);
  const y = plus(linear(silu(inner), weights.down), x);
  const forward = g.nodes.length;
  const dy = g.input("dy", "f32", [3, 4]);
  const [dx, dgain, dup, ddown] = pullback([{ of: y, gradient: dy }], [x, ...Object.values(weights)]);
  const gradients = { dx: dx!, dgain: dgain!, dup: dup!, ddown: ddown! };
  return { g, x, y, inner, forward, gradients };
}

const feedsOf = (g: Graph): Record<string, NdArray> =>
  Object.fromEntries(
    g.inputs.map(({ name, tensor }, i) => {
      const shape = tensor.shape.map(Number);
      return [name, ndarray(shape, noise(i, shape).data)];
    }),
  );

test("products are kept, norms and activations computed again", () => {
  const { g, inner, forward, gradients } = traceBoth();
  expect(tensorsToKeep(g, forward, Object.values(gradients))).toEqual([inner]);
});

test("a forward and a backward part compute what the whole does, each product once", () => {
  const { g, y, inner, forward, gradients } = traceBoth();
  const feeds = feedsOf(g);
  const parts = [carve(g, {}, { y, inner }), carve(g, { inner }, gradients)] as const;
  expect(parts[0].inputs.map((p) => p.name)).toEqual(["x", "gain", "up", "down"]);
  expect(parts[1].inputs.map((p) => p.name)).toEqual(["inner", "x", "gain", "up", "down", "dy"]);
  expect(parts[0].nodes).toEqual(g.nodes.slice(0, forward));
  const flops = [g, ...parts].map((graph) => evalCost(graphCost(graph), {}).flops);
  expect(flops[1]! + flops[2]!).toBe(flops[0]);
  const first = interpret(parts[0], feeds, {});
  const second = interpret(parts[1], { ...feeds, inner: first["inner"]! }, {});
  for (const [name, tensor] of Object.entries({ y, ...gradients })) g.output(name, tensor);
  const whole = interpret(g, feeds, {});
  for (const name of Object.keys(whole)) expect({ ...first, ...second }[name]).toEqual(whole[name]);
});
