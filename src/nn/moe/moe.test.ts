import { describe, expect, test } from "vitest";
import { volume } from "../../graph/dim.ts";
import { gradient } from "../../graph/gradient.ts";
import { Graph } from "../../graph/graph.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { count, ndarray } from "../../graph/ndarray.ts";
import { causalAttention } from "../../graph/ops/causal-attention.ts";
import { plus, scale, times } from "../../graph/ops/elementwise.ts";
import { matmulTransposed } from "../../graph/ops/matmul.ts";
import { full, sum, sumTo } from "../../graph/ops/reduce.ts";
import { rotaryEmbedding } from "../../graph/ops/rotary.ts";
import { split } from "../../graph/ops/shape.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { seededRandom } from "../../util/random.ts";
import type { Matrix } from "../../weights/weight-source.ts";
import { activateMlp } from "../mlp.ts";
import { ropeTable } from "../rope.ts";
import { expertQueries, mixAttended } from "./attention.ts";
import { mixFeedForwards } from "./experts.ts";
import { balanceLoss, routerZLoss } from "./losses.ts";
import { type RouterConfig, route } from "./route.ts";

/** A graph under test, with its feeds, in float64. */
class Bench {
  readonly graph = new Graph();
  readonly #feeds: Record<string, ReturnType<typeof ndarray>> = {};

  input(name: string, shape: readonly number[], data: ArrayLike<number>, dtype: "f32" | "i64" = "f32"): Tensor {
    this.#feeds[name] = ndarray(shape, data);
    return this.graph.input(name, dtype, shape);
  }

  /** .5·sin(a·i + b), row-major, like the specification's weights. */
  wave(name: string, shape: readonly number[], a: number, b: number): Tensor {
    return this.input(name, shape, wave(count(shape), a, b));
  }

  /** The matrices in a stack [experts, rows, columns]. */
  stack(name: string, [experts, rows, columns]: Stack, data: ArrayLike<number>): Matrix[] {
    const each = rows * columns;
    return Array.from({ length: experts }, (_, e) => ({
      kind: "float32 rows",
      weight: this.input(`${name}${e}`, [rows, columns], Array.from(data).slice(e * each, (e + 1) * each)),
    }));
  }

  run(outputs: Readonly<Record<string, Tensor>>): Record<string, number[]> {
    for (const [name, tensor] of Object.entries(outputs)) this.graph.output(name, tensor);
    const result = interpret(this.graph, this.#feeds, {});
    return Object.fromEntries(Object.entries(result).map(([name, { data }]) => [name, [...data]]));
  }
}

type Stack = readonly [experts: number, rows: number, columns: number];

const wave = (n: number, a: number, b: number) => Float64Array.from({ length: n }, (_, i) => 0.5 * Math.sin(a * i + b));
const noise = (seed: number, n: number): Float64Array<ArrayBuffer> => {
  const random = seededRandom(seed);
  return Float64Array.from({ length: n }, () => 2 * random() - 1);
};

function expectClose(got: readonly number[], expected: readonly number[], within = 1e-7): void {
  expect(got).toHaveLength(expected.length);
  for (const [i, e] of expected.entries())
    expect(Math.abs(got[i]! - e), `at ${i}: ${got[i]}, ${e}`).toBeLessThan(within);
}

/** All rows of logits have equal weight. */
const evenly = (logits: Tensor): Tensor =>
  full(sum(logits, logits.shape.length - 1), 1 / Number(volume(logits.shape.slice(0, -1))));

/** A router's losses with two active experts. */
const losses = (logits: Tensor, weights = evenly(logits)) => ({
  balance: balanceLoss(logits, 2, weights),
  z: routerZLoss(logits, weights),
});

const three: RouterConfig = { count: 3, active: 2, gates: "chosen" };
const BIAS = [0.01, -0.02, 0.03, 0];
const input = Float64Array.from({ length: 12 }, (_, i) => Math.cos(0.7 * i + 0.1));

test("R1: routing, its order and its losses", () => {
  const b = new Bench();
  const logits = b.input("logits", [3, 4], [1, 0, -1, 2, 0.5, 1.5, 0.2, -0.3, 2, 1, 0.5, 0]);
  const { chosen, gates, order, sizes } = route(logits, { count: 4, active: 2, gates: "chosen" });
  const result = b.run({ chosen, gates, order, sizes, ...losses(logits) });
  expect(result.chosen).toEqual([3, 0, 1, 0, 0, 1]);
  expectClose(
    result.gates!,
    [0, 1, 2].flatMap(() => [0.73105858, 0.26894142]),
    1e-8,
  );
  expect(result.order).toEqual([1, 3, 4, 2, 5, 0]);
  expect(result.sizes).toEqual([3, 2, 0, 1]);
  expectClose(result.balance!, [1.24034422], 1e-8);
  expectClose(result.z!, [5.60292089], 1e-8);
  expectClose([result.balance![0]! + 0.1 * result.z![0]!], [1.80063631], 1e-8);
});

/** The specification's attention layer; k and v come from one projection. */
function attention(
  config: RouterConfig,
  experts?: { q: Float64Array; out: Float64Array },
  router = wave(12, 1.3, 0.2),
) {
  const b = new Bench();
  const heads = { kvHeads: 2, headSize: 2 };
  const x = b.input("x", [1, 3, 4], input);
  const routing = route(matmulTransposed(x, b.input("router", [3, 4], router)), config);
  const q = expertQueries(x, routing, b.stack("q", [3, 4, 4], experts?.q ?? wave(48, 0.9, 0.1)), heads);
  const kv = matmulTransposed(x, b.wave("kv", [8, 4], 0.6, 0.3));
  const [k, v] = split(kv, 2, [4, 4]) as [Tensor, Tensor];
  const rope = { theta: 10000, headSize: 2, positions: 4 };
  const table = (of: "cos" | "sin") => b.input(of, [4, 1], ropeTable(Math[of], rope));
  const tables = { cos: table("cos"), sin: table("sin") };
  const at = b.input("first", [1], [0], "i64");
  const turned = (y: Tensor, n: number) => rotaryEmbedding(y, at, tables, { heads: n, pairs: "half" });
  const attrs = { heads: 2 * config.active, ...heads, scale: Math.SQRT1_2 };
  const attended = causalAttention({ q: turned(q, attrs.heads), k: turned(k, 2), v }, attrs);
  const mixed = mixAttended(attended, routing, b.stack("o", [3, 4, 4], experts?.out ?? wave(48, 1.1, 0.4)), heads);
  const y = plus(mixed, b.input("bias", [4], BIAS));
  return { bench: b, y, x };
}

const attended = (...args: Parameters<typeof attention>): number[] => {
  const { bench, y } = attention(...args);
  return bench.run({ y }).y!;
};

test("R2: a mixture of attention heads", () => {
  const rows = [
    [0.21740195, -0.03042119, -0.1709964, 0.13396679],
    [0.18606791, 0.064318, -0.1978953, 0.05576143],
    [0.03805589, 0.02459028, -0.02546401, -0.01049845],
  ];
  expectClose(attended(three), rows.flat());
  expectClose(attended({ ...three, active: 3 }).slice(8), [-0.00582054, 0.03341792, 0.01298637, -0.04296023]);
});

/** One matrix [4, 4] for all experts. */
const alike = (a: number, b: number) => Float64Array.from({ length: 48 }, (_, i) => 0.5 * Math.sin(a * (i % 16) + b));

describe("attention's experts", () => {
  const same = { q: alike(0.9, 0.1), out: alike(1.1, 0.4) };

  test("that are alike make the router irrelevant, and are ordinary attention", () => {
    const one = attended(three, same);
    expectClose(attended(three, same, wave(12, 0.4, 2)), one, 1e-12);
    expectClose(attended({ ...three, active: 1 }, same), one, 1e-12);
  });

  test("a token's output depends on its own experts, not on other tokens'", () => {
    // Tokens 0 and 2 choose experts 0 and 1, token 1 chooses 2 and 1.
    const changed = wave(48, 0.9, 0.1).map((v, i) => (i >= 32 ? v + 1 : v));
    const [before, after] = [attended(three), attended(three, { q: changed, out: wave(48, 1.1, 0.4) })];
    for (const token of [0, 2])
      expectClose(after.slice(4 * token, 4 * token + 4), before.slice(4 * token, 4 * token + 4));
    expect(Math.abs(after[4]! - before[4]!)).toBeGreaterThan(1e-3);
  });
});

/** Feed-forwards of three experts over x [tokens, 4]; gate and up of width 3. */
function feedForward(config: RouterConfig, x = input, shift = 0, halves: "first" | "last" = "first") {
  const b = new Bench();
  const rows = x.length / 4;
  const logits = matmulTransposed(b.input("x", [rows, 4], x), b.wave("router", [3, 4], 1.3, 0.2));
  const shifted = plus(logits, b.input("shift", [3], [shift, shift, shift]));
  const inside = Array.from(wave(72, 0.8, 0.05));
  const swapped = inside.map((_, i) => inside[Math.floor(i / 24) * 24 + (((i % 24) + 12) % 24)]!);
  const matrices = {
    inside: b.stack("in", [3, 6, 4], halves === "first" ? inside : swapped),
    down: b.stack("out", [3, 4, 3], wave(36, 1.2, 0.15)),
  };
  const x0 = b.graph.inputs[0]!.tensor;
  const y = plus(mixFeedForwards(x0, route(shifted, config), matrices, "silu", true), b.input("bias", [4], BIAS));
  return { bench: b, y, logits: shifted, x: x0, matrices };
}

const fed = (...args: Parameters<typeof feedForward>): number[] => {
  const { bench, y } = feedForward(...args);
  return bench.run({ y }).y!;
};

const R3 = [
  [-0.00192401, -0.02840428, 0.05699722, -0.04001569],
  [0.29171449, -0.27813802, 0.21126039, -0.06695554],
  [-0.15073328, 0.06290807, 0.04203626, -0.10449531],
].flat();

describe("a mixture of feed-forwards", () => {
  test("R3: the activation is on the first half", () => {
    expectClose(fed(three), R3);
    expect(Math.abs(fed(three, input, 0, "last")[0]! - R3[0]!)).toBeGreaterThan(1e-3);
  });

  test("a shift of all logits changes the z-loss alone", () => {
    expectClose(fed(three, input, 5), R3);
    const results = [0, 5].map((shift) => {
      const { bench, logits } = feedForward(three, input, shift);
      return bench.run({ ...losses(logits) });
    });
    expectClose(results[1]!.balance!, results[0]!.balance!, 1e-12);
    expect(results[1]!.z![0]).toBeGreaterThan(results[0]!.z![0]! + 1);
  });

  test.each([
    { tokens: 1, active: 1 },
    { tokens: 37, active: 2 },
    { tokens: 37, active: 3 },
  ])("$tokens tokens, $active experts each: grouped is token by token, whatever their order", ({ tokens, active }) => {
    const config = { ...three, active };
    const x = noise(tokens, 4 * tokens);
    const whole = fed(config, x);
    const alone = Array.from({ length: tokens }, (_, t) => fed(config, x.slice(4 * t, 4 * t + 4)));
    expectClose(whole, alone.flat(), 1e-12);
    const turned = Float64Array.from(
      Array.from({ length: tokens }, (_, t) => [...x.slice(4 * t, 4 * t + 4)])
        .reverse()
        .flat(),
    );
    expectClose(fed(config, turned), alone.reverse().flat(), 1e-12);
  });

  test.each(["chosen", "all"] as const)("all experts are the dense sum; gates of %s", (gates) => {
    const { bench, y, logits, x, matrices } = feedForward({ count: 3, active: 3, gates });
    const dense = matrices.inside.map((inside, e) => {
      const hidden = activateMlp(matmulTransposed(x, weightOf(inside)), "silu", true);
      return matmulTransposed(hidden, weightOf(matrices.down[e]!));
    });
    const result = bench.run({ y, logits, ...Object.fromEntries(dense.map((d, e) => [`dense${e}`, d])) });
    const expected = result.y!.map((_, i) => {
      const row = result.logits!.slice(3 * Math.floor(i / 4), 3 * Math.floor(i / 4) + 3).map(Math.exp);
      const all = row.reduce((a, b) => a + b);
      return BIAS[i % 4]! + row.reduce((sum, weight, e) => sum + (weight / all) * result[`dense${e}`]![i]!, 0);
    });
    expectClose(result.y!, expected, 1e-12);
  });

  test("gates over all logits keep the share of the others", () => {
    const b = new Bench();
    const { gates } = route(b.input("logits", [1, 3], [1, 0, 1]), { count: 3, active: 2, gates: "all" });
    expectClose(
      b.run({ gates }).gates!,
      [0, 0].map(() => Math.E / (2 * Math.E + 1)),
      1e-12,
    );
  });
});

const weightOf = (matrix: Matrix): Tensor => {
  if (matrix.kind === "blocks" || matrix.kind === "bytes") throw new Error("expected floats");
  return matrix.weight;
};

describe("the balance loss", () => {
  const balance = (logits: readonly number[], active: number): number => {
    const b = new Bench();
    const operand = b.input("logits", [logits.length / 4, 4], logits);
    return b.run({ loss: balanceLoss(operand, active, evenly(operand)) }).loss![0]!;
  };

  test("is 1 for routers that choose alike, and the number of experts if one is always chosen", () => {
    const even = [0, 1, 2, 3].flatMap((first) => [0, 1, 2, 3].map((e) => (e === first ? 1 : 0)));
    expect(balance(even, 1)).toBeCloseTo(1, 12);
    expect(balance([50, 0, 0, 0, 50, 0, 0, 0], 1)).toBeCloseTo(4, 12);
  });

  test("of two batches with opposed choices, over both, is less than of either alone", () => {
    const b = new Bench();
    const [first, second] = [b.input("a", [1, 4], [50, 0, 0, 0]), b.input("b", [1, 4], [0, 50, 0, 0])];
    const others = b.input("others", [4], [1, 0, 0, 0]);
    const both = (shares: Tensor) => scale(plus(shares, others), 0.5);
    const result = b.run({
      alone: balanceLoss(first, 1, evenly(first)),
      together: balanceLoss(second, 1, evenly(second), both),
    });
    expectClose(result.alone!, [4], 1e-12);
    expectClose(result.together!, [2], 1e-12);
  });
});

test("padding changes no loss", () => {
  const rows = [1, 0, -1, 2, 0.5, 1.5, 0.2, -0.3, 2, 1, 0.5, 0];
  const results = [rows, [...rows.slice(0, 4), 9, 9, -9, 3, ...rows.slice(4), 0, 0, 0, 9]].map((value, padded) => {
    const b = new Bench();
    const weights = padded ? [1 / 3, 0, 1 / 3, 1 / 3, 0] : [1 / 3, 1 / 3, 1 / 3];
    const [logits, shares] = [
      b.input("logits", [weights.length, 4], value),
      b.input("weights", [weights.length], weights),
    ];
    return b.run(losses(logits, shares));
  });
  expectClose(results[1]!.balance!, results[0]!.balance!, 1e-12);
  expectClose(results[1]!.z!, results[0]!.z!, 1e-12);
});

describe("the router's gradient", () => {
  /** The router's gradient of a function of the mixture and its logits: exact, and by central differences. */
  function gradients(active: number, gates: RouterConfig["gates"], of: (y: Tensor, logits: Tensor) => Tensor) {
    const loss = (router: Float64Array, wanted: boolean): number[] => {
      const b = new Bench();
      const weight = b.input("router", [3, 4], router);
      const x = b.input("x", [3, 4], input);
      const logits = matmulTransposed(x, weight);
      const matrices = {
        inside: b.stack("in", [3, 6, 4], wave(72, 0.8, 0.05)),
        down: b.stack("out", [3, 4, 3], wave(36, 1.2, 0.15)),
      };
      const y = mixFeedForwards(x, route(logits, { count: 3, active, gates }), matrices, "silu", true);
      const value = of(y, logits);
      return b.run({ found: wanted ? gradient(value, [weight])[0]! : value }).found!;
    };
    const router = wave(12, 1.3, 0.2);
    const numeric = [...router.keys()].map((i) => {
      const at = (step: number) => loss(router.with(i, router[i]! + step), false)[0]!;
      return (at(1e-5) - at(-1e-5)) / 2e-5;
    });
    return { exact: loss(router, true), numeric };
  }

  test.each([
    { name: "through the gates", of: (y: Tensor) => sumTo(times(y, y), []) },
    { name: "of the balance loss", of: (_: Tensor, logits: Tensor) => losses(logits).balance },
    { name: "of the z-loss", of: (_: Tensor, logits: Tensor) => losses(logits).z },
  ])("$name equals central differences", ({ of }) => {
    const { exact, numeric } = gradients(2, "chosen", of);
    expectClose(exact, numeric, 1e-7);
    expect(Math.max(...exact.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  test("with one active expert is zero through gates of the chosen, and not through gates of all", () => {
    const ofMixture = (y: Tensor) => sumTo(times(y, y), []);
    expectClose(gradients(1, "chosen", ofMixture).exact, Array(12).fill(0), 1e-12);
    expect(Math.max(...gradients(1, "all", ofMixture).exact.map(Math.abs))).toBeGreaterThan(1e-4);
  });
});
