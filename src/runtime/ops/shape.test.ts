import { describe, expect, test } from "vitest";
import { mul, sym } from "../../graph/dim.ts";
import { gather } from "../../graph/ops/gather.ts";
import { sum, sumOfSquares } from "../../graph/ops/reduce.ts";
import { concat, reshape, reverse, split, transpose } from "../../graph/ops/shape.ts";
import { compare, integers, noise, type Trial, worst } from "../compare.testing.ts";

const one = (shape: number[], trace: Trial["trace"]) => worst({ inputs: { x: noise(shape.length, shape) }, trace });

describe("reshape", () => {
  test("known sizes", async () => {
    expect(await one([2, 3, 4], (t) => ({ y: reshape(t.x!, [4, 6]) }))).toBe(0);
  });

  test("one symbolic size, joined from two", async () => {
    const [batch, tokens] = [sym("batch"), sym("tokens")];
    const inputs = { x: noise(1, [2, 3, 4], [batch, tokens, 4]) };
    const bindings = { batch: 2, tokens: 3 };
    const trace: Trial["trace"] = (t) => ({ y: reshape(t.x!, [mul(batch, tokens), 2, 2]) });
    expect(await worst({ inputs, bindings, trace })).toBe(0);
  });

  test("symbolic sizes that stay where they are", async () => {
    const [batch, tokens] = [sym("batch"), sym("tokens")];
    const inputs = { x: noise(1, [2, 3, 4], [batch, tokens, 4]) };
    const bindings = { batch: 2, tokens: 3 };
    expect(await worst({ inputs, bindings, trace: (t) => ({ y: reshape(t.x!, [batch, tokens, 2, 2]) }) })).toBe(0);
  });

  test("two symbolic sizes that move are refused with both shapes", async () => {
    const [batch, tokens] = [sym("batch"), sym("tokens")];
    const inputs = { x: noise(1, [2, 3, 4], [batch, tokens, 4]) };
    const trace: Trial["trace"] = (t) => ({ y: reshape(t.x!, [4, batch, tokens]) });
    await expect(worst({ inputs, bindings: { batch: 2, tokens: 3 }, trace })).rejects.toThrow(
      "reshape of [batch, tokens, 4] to [4, batch, tokens]: more than one symbolic dimension moves",
    );
  });
});

test.each([
  { shape: [3, 5], axes: [1, 0] },
  { shape: [2, 3, 5], axes: [2, 0, 1] },
  { shape: [2, 7, 3, 4], axes: [0, 2, 1, 3] },
])("transpose $shape by $axes", async ({ shape, axes }) => {
  expect(await one(shape, (t) => ({ y: transpose(t.x!, axes) }))).toBe(0);
});

test.each([
  { shape: [2, 3, 12], axis: 2, sizes: [5, 7] },
  { shape: [2, 9, 4], axis: 1, sizes: [1, 3, 5] },
  { shape: [3, 2], axis: 0, sizes: [1, 2] },
])("split $shape on axis $axis into $sizes", async ({ shape, axis, sizes }) => {
  expect(await one(shape, (t) => Object.fromEntries(split(t.x!, axis, sizes).entries()))).toBe(0);
});

test.each([
  { shape: [9, 5], axis: 0, ids: [2, 3] },
  { shape: [2, 7, 3], axis: 1, ids: [4] },
  { shape: [2, 3, 8], axis: 2, ids: [1, 5] },
])("gather from $shape on axis $axis", async ({ shape, axis, ids }) => {
  const inputs = { x: noise(1, shape), ids: integers(5, "i64", ids, shape[axis]!) };
  expect(await worst({ inputs, trace: (t) => ({ y: gather(t.x!, t.ids!, axis) }) })).toBe(0);
});

test.each([
  { shape: [7], axis: 0 },
  { shape: [2, 3, 5], axis: 1 },
  { shape: [2, 3, 5], axis: 2 },
])("reverse $shape on axis $axis", async ({ shape, axis }) => {
  expect(await one(shape, (t) => ({ y: reverse(t.x!, axis) }))).toBe(0);
});

test.each([
  { shape: [7], axis: 0 },
  { shape: [2, 3, 5], axis: 1 },
  { shape: [2, 33, 4], axis: 2 },
])("sum of $shape over axis $axis", async ({ shape, axis }) => {
  expect(await one(shape, (t) => ({ y: sum(t.x!, axis) }))).toBeLessThan(1e-6);
});

test.each([[7], [2, 3, 5], [3, 4096]])("the squares of [%i, …] along the last axis", async (...shape) => {
  expect(await one(shape, (t) => ({ y: sumOfSquares(t.x!) }))).toBeLessThan(1e-3);
});

test("reverse reverses", async () => {
  const inputs = { x: { dtype: "f32" as const, shape: [2, 3], data: [1, 2, 3, 4, 5, 6] } };
  const { y } = await compare({ inputs, trace: (t) => ({ y: reverse(t.x!, 1) }) });
  expect([...y!.got.data]).toEqual([3, 2, 1, 6, 5, 4]);
});

test.each([0, 1, 2])("concat of three along axis %d", async (axis) => {
  const shapes = [2, 5, 1].map((size) => [2, 3, 4].with(axis, size));
  const inputs = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, noise(i, shape)]));
  expect(await worst({ inputs, trace: (t) => ({ y: concat([t.x0!, t.x1!, t.x2!], axis) }) })).toBe(0);
});
