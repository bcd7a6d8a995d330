import { expect, test } from "vitest";
import { linear, matmulTransposed } from "../../graph/ops/matmul.ts";
import { noise, worst } from "../compare.testing.ts";

test.each([
  { x: [1, 1], n: 1 },
  { x: [3, 5], n: 7 },
  { x: [2, 9, 33], n: 17 },
  { x: [2, 1, 4, 65], n: 31 },
  { x: [1, 130, 64], n: 96 },
])("linear: $x into $n", async ({ x, n }) => {
  const constants = { w: noise(7, [x.at(-1)!, n]) };
  const inputs = { x: noise(3, x) };
  expect(await worst({ inputs, constants, trace: (t) => ({ y: linear(t.x!, t.w!) }) })).toBeLessThan(1e-5);
});

test.each([
  { a: [1, 1], rows: 1, scale: 1 },
  { a: [5, 3], rows: 7, scale: 2 },
  { a: [2, 9, 33], rows: 17, scale: 0.125 },
  { a: [2, 3, 11, 64], rows: 13, scale: -1.5 },
])("matmulTransposed: $a by $rows rows, scale $scale", async ({ a, rows, scale }) => {
  const inputs = { a: noise(4, a), b: noise(5, [...a.slice(0, -2), rows, a.at(-1)!]) };
  expect(await worst({ inputs, trace: (t) => ({ y: matmulTransposed(t.a!, t.b!, scale) }) })).toBeLessThan(1e-5);
});

test("matmulTransposed: one right operand for all", async () => {
  const inputs = { a: noise(4, [2, 3, 11, 33]), b: noise(5, [13, 33]) };
  expect(await worst({ inputs, trace: (t) => ({ y: matmulTransposed(t.a!, t.b!, 0.5) }) })).toBeLessThan(1e-5);
});
