import { describe, expect, test } from "vitest";
import { minimise, type Objective } from "./lbfgs.ts";

const options = { iterations: 200, tolerance: 1e-8 };

/** ½·Σ scale·(x − i)²: its minimum is at (0, 1, 2, …). */
const quadratic =
  (scales: readonly number[]): Objective =>
  (x, gradient) => {
    for (let i = 0; i < x.length; i++) gradient[i] = scales[i]! * (x[i]! - i);
    return scales.reduce((sum, scale, i) => sum + (scale / 2) * (x[i]! - i) ** 2, 0);
  };

/** Rosenbrock's function, with its minimum 0 at (1, 1). */
const valley: Objective = (at, gradient) => {
  const [x, y] = [at[0]!, at[1]!];
  gradient[0] = -2 * (1 - x) - 400 * x * (y - x * x);
  gradient[1] = 200 * (y - x * x);
  return (1 - x) ** 2 + 100 * (y - x * x) ** 2;
};

test("finds the minimum of a quadratic whose scales are far apart", () => {
  const { x, value, converged } = minimise(quadratic([1, 100, 10_000]), new Float64Array(3), options);
  expect(converged).toBe(true);
  expect(value).toBeLessThan(1e-12);
  for (const [i, v] of x.entries()) expect(v).toBeCloseTo(i, 6);
});

test("follows a curved valley to its end", () => {
  const { x, converged } = minimise(valley, Float64Array.of(-1.2, 1), options);
  expect(converged).toBe(true);
  expect([...x].map((v) => v.toFixed(6))).toEqual(["1.000000", "1.000000"]);
});

test("with the inverse Hessian as preconditioner a quadratic takes one step", () => {
  const scales = [1, 100, 10_000];
  const precondition = (g: Float64Array) => {
    for (let i = 0; i < g.length; i++) g[i]! /= scales[i]!;
  };
  expect(minimise(quadratic(scales), new Float64Array(3), { ...options, precondition }).iterations).toBe(1);
});

describe("ends", () => {
  test("at once where it starts at the minimum", () => {
    expect(minimise(quadratic([1, 1]), Float64Array.of(0, 1), options)).toMatchObject({
      iterations: 0,
      converged: true,
    });
  });

  test("not converged if the iterations run out", () => {
    expect(minimise(valley, Float64Array.of(-1.2, 1), { ...options, iterations: 3 })).toMatchObject({
      iterations: 3,
      converged: false,
    });
  });

  test("and leaves its start alone", () => {
    const start = Float64Array.of(5, 5);
    minimise(quadratic([1, 1]), start, options);
    expect([...start]).toEqual([5, 5]);
  });
});
