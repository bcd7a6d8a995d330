import { expect, test } from "vitest";
import { cholesky, solveCholesky } from "./cholesky.ts";
import { seededRandom } from "./random.ts";

test("a known factor", () => {
  const l = cholesky(Float64Array.of(4, 12, -16, 12, 37, -43, -16, -43, 98), 3);
  expect([...l]).toEqual([2, 0, 0, 6, 1, 0, -8, 5, 3]);
});

test("solves A·x = b", () => {
  const n = 12;
  const random = seededRandom(1);
  const m = Array.from({ length: n }, () => Array.from({ length: n }, () => random() - 0.5));
  const a = Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return m.reduce((sum, row) => sum + row[i]! * row[j]!, i === j ? 0.1 : 0);
  });
  const x = Float64Array.from({ length: n }, () => random() - 0.5);
  const b = Float64Array.from({ length: n }, (_, i) => x.reduce((sum, v, j) => sum + a[i * n + j]! * v, 0));
  solveCholesky(cholesky(a, n), n, b);
  for (const [i, v] of b.entries()) expect(v).toBeCloseTo(x[i]!, 9);
});

test("a matrix that is not positive definite is refused", () => {
  expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow(/not positive definite at row 1/);
  expect(() => cholesky(Float64Array.of(Number.NaN), 1)).toThrow(/not positive definite/);
});
