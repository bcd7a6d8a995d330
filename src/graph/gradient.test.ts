import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { reached, type TracedCase, traced } from "./gradient.testing.ts";
import { gradient, pullback } from "./gradient.ts";
import { type GradientCase, noise } from "./gradient-case.testing.ts";
import { gradientCases } from "./gradient-cases.testing.ts";
import { Graph } from "./graph.ts";
import { interpret } from "./interpret.testing.ts";
import { ndarray } from "./ndarray.ts";
import { siluBackward } from "./ops/activation-backward.ts";
import { plus, silu, times, withoutGradient } from "./ops/elementwise.ts";
import { logLikelihoods } from "./ops/likelihood.ts";
import { linear } from "./ops/matmul.ts";
import { sum } from "./ops/reduce.ts";
import { round } from "./ops/round.ts";
import type { Tensor } from "./tensor.ts";

/** Σ given · output, for given inputs. */
function lossOf({ graph, feeds, given }: TracedCase, bindings: GradientCase["bindings"] = {}): number {
  const values = interpret(graph, feeds, bindings);
  return given.reduce((total, _, i) => {
    const weights = feeds[`given${i}`]!.data;
    return total + values[`output${i}`]!.data.reduce((sum, v, at) => sum + v * weights[at]!, 0);
  }, 0);
}

const STEP = 1e-4;

/** The loss's slope in each element of an input, by central differences. */
function differences(of: TracedCase, input: string, bindings: GradientCase["bindings"]): Float64Array {
  const { data } = of.feeds[input]!;
  return data.map((value, i) => {
    const at = (v: number) => {
      data[i] = v;
      return lossOf(of, bindings);
    };
    const slope = (at(value + STEP) - at(value - STEP)) / (2 * STEP);
    data[i] = value;
    return slope;
  });
}

describe.each(gradientCases)("$name", (c) => {
  test("gradients equal central differences of the reference", () => {
    const of = traced(c);
    const numeric = Object.fromEntries(of.changes.map((name) => [name, differences(of, name, c.bindings)]));
    const names = reached(of);
    for (const name of of.changes)
      if (!names.includes(name))
        expect(
          numeric[name]!.every((v) => v === 0),
          `${name} has no gradient`,
        ).toBe(true);
    if (names.length === 0) return;
    const results = pullback(
      of.given,
      names.map((name) => of.tensors[name]!),
    );
    for (const [i, t] of results.entries()) of.graph.output(`by ${names[i]}`, t);
    const values = interpret(of.graph, of.feeds, c.bindings ?? {});
    for (const name of names) {
      const got = values[`by ${name}`]!;
      expect(got.shape).toEqual(of.feeds[name]!.shape);
      const worst = got.data.reduce((most, v, at) => Math.max(most, Math.abs(v - numeric[name]![at]!)), 0);
      expect(worst, `by ${name}`).toBeLessThan(1e-6);
    }
  });
});

test("every operator that has a gradient rule, or says that it has none, is in a case", () => {
  const covered = new Set(gradientCases.flatMap((c) => traced(c).graph.nodes.map((n) => n.op.name)));
  const folder = new URL("./ops/", import.meta.url);
  // The gradient passes through rounding; central differences are 0 almost everywhere.
  covered.add("round");
  // This gradient is intentionally not the derivative of the function.
  covered.add("withoutGradient");
  const missing = readdirSync(folder).flatMap((file) => untested(readFileSync(new URL(file, folder), "utf8"), covered));
  expect(missing).toEqual([]);
});

/** Operators defined with a gradient in a file but missing from `covered`. */
function untested(source: string, covered: ReadonlySet<string>): string[] {
  const definitions = source.split(/^(?=const \w+(?:: Op<| = (?:binary|unary)\())/m).slice(1);
  return definitions
    .filter((text) => /^const \w+ = (?:binary|unary)|^ {2}gradient[:(]/m.test(text))
    .map((text) => /(?:name: |binary\(\s*|unary\(\s*)"(\w+)"/.exec(text)?.[1] ?? text)
    .filter((name) => !covered.has(name));
}

describe("gradient", () => {
  const loss = (t: Tensor) => sum(sum(t, 0), 0);

  test("what does not lie between the loss and what is asked for builds nothing", () => {
    const g = new Graph();
    const [x, frozen, w] = [g.input("x", "f32", [3, 4]), g.input("a", "f32", [4, 4]), g.input("b", "f32", [4, 2])];
    const y = loss(linear(silu(linear(x, frozen)), w));
    const before = g.nodes.length;
    const [dw] = gradient(y, [w]);
    expect(dw!.shape).toEqual([4, 2]);
    expect(g.nodes.slice(before).map((n) => n.op.name)).toEqual(["full", "spread", "spread", "weightGradient"]);
  });

  test("a parameter that the loss does not depend on is named", () => {
    const g = new Graph();
    const [x, w] = [g.input("x", "f32", [3, 4]), g.input("blk.0.attn_q.weight", "f32", [4, 2])];
    linear(x, w);
    expect(() => gradient(loss(silu(x)), [x, w])).toThrow('the loss does not depend on "blk.0.attn_q.weight"');
  });

  test("an operator of inference alone is named, with the one that trains in its place", () => {
    const g = new Graph();
    const logits = g.input("logits", "f32", [3, 5]);
    const { nats } = logLikelihoods(logits, g.input("targets", "i64", [3, 1]));
    expect(() => gradient(loss(nats), [logits])).toThrow(
      "logLikelihoods has no gradient: training uses crossEntropy instead",
    );
    const x = g.input("x", "f32", [3, 5]);
    expect(() => gradient(loss(siluBackward(x, x)), [x])).toThrow("siluBackward has no gradient");
    // Tensors whose gradient is not requested do not matter.
    const w = g.input("w", "f32", [1]);
    expect(gradient(loss(times(nats, w)), [w])[0]!.shape).toEqual([1]);
  });

  test("passes through rounding", () => {
    const g = new Graph();
    const [x, w] = [g.input("x", "f32", [2, 2]), g.input("w", "f32", [2, 2])];
    g.output("dx", gradient(loss(times(round(x, "bf16"), w)), [x])[0]!);
    const weights = ndarray([2, 2], [0.5, -1, 2, 3]);
    const { dx } = interpret(g, { x: ndarray([2, 2], [1.001, 2, 3, 4]), w: weights }, {});
    expect([...dx!.data]).toEqual([...weights.data]);
  });

  test("a factor that is not trained has none", () => {
    const g = new Graph();
    const [x, w] = [g.input("x", "f32", [2, 2]), g.input("w", "f32", [2, 2])];
    const [dx, dw] = gradient(loss(times(x, withoutGradient(w))), [x, w]);
    g.output("dx", dx!);
    g.output("dw", dw!);
    const weights = ndarray([2, 2], [0.5, -1, 2, 3]);
    const result = interpret(g, { x: ndarray([2, 2], [1, 2, 3, 4]), w: weights }, {});
    expect([...result["dx"]!.data]).toEqual([...weights.data]);
    expect([...result["dw"]!.data]).toEqual([0, 0, 0, 0]);
  });

  test("a loss that is no single number is refused", () => {
    const x = new Graph().input("x", "f32", [3]);
    expect(() => gradient(times(x, x), [x])).toThrow("the loss is f32[3], expected one number");
  });

  test("by a tensor inside the graph, and by one that another depends on", () => {
    const g = new Graph();
    const x = g.input("x", "f32", [2, 2]);
    const y = times(x, x);
    const results = gradient(loss(plus(y, times(y, y))), [x, y]);
    for (const [i, t] of results.entries()) g.output(String(i), t);
    const values = interpret(g, { x: ndarray([2, 2], [1, 2, 3, -1]) }, {});
    expect([...values[1]!.data]).toEqual([1, 4, 9, 1].map((v) => 1 + 2 * v));
    expect([...values[0]!.data]).toEqual([1, 2, 3, -1].map((v) => 2 * v * (1 + 2 * v * v)));
  });

  test("gradients are added to sums, by the products themselves", () => {
    const g = new Graph();
    const [x, w, b] = [g.input("x", "f32", [3, 4]), g.input("w", "f32", [4, 4]), g.input("b", "f32", [4])];
    const sums = [g.input("sum of w", "f32", [4, 4]), g.input("sum of b", "f32", [4])];
    const y = plus(linear(plus(silu(linear(x, w)), x), w), b);
    const seeds = [{ of: y, gradient: g.input("dy", "f32", [3, 4]) }];
    const before = g.nodes.length;
    const summed = pullback(seeds, [w, b], sums);
    const created = g.nodes.slice(before).map((n) => [n.op.name, n.inputs.length]);
    expect(created.filter(([name]) => name === "add").length).toBe(1);
    expect(created.filter(([name]) => name === "weightGradient")).toEqual([
      ["weightGradient", 3],
      ["weightGradient", 3],
    ]);
    const plain = pullback(seeds, [w, b]);
    for (const [i, t] of [...summed, ...plain].entries()) g.output(String(i), t);
    const feeds = Object.fromEntries(
      g.inputs.map(({ name, tensor }, i) => {
        const { shape, data } = noise(i, tensor.shape.map(Number));
        return [name, ndarray(shape, data)] as const;
      }),
    );
    const values = interpret(g, feeds, {});
    for (const [i, name] of ["sum of w", "sum of b"].entries())
      for (const [at, v] of values[i]!.data.entries())
        expect(v).toBeCloseTo(feeds[name]!.data[at]! + values[i + 2]!.data[at]!, 12);
  });
});
