import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { clamp, gelu, plus, relu, scale, silu, softcap, tanh, times, timesRows } from "../../graph/ops/elementwise.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { compare, noise, worst } from "../compare.testing.ts";

const shapes = [[1], [7], [2, 3, 5], [2, 1, 33], [1, 17, 64]];

describe.each(shapes.map((s) => ({ shape: s })))("elementwise on $shape", ({ shape }) => {
  const x = noise(1, shape);

  test.each([
    { name: "plus", op: plus },
    { name: "times", op: times },
  ])("$name equals its reference, whole and over each suffix", async ({ op }) => {
    for (let dropped = 0; dropped < shape.length; dropped++) {
      const inputs = { a: x, b: noise(2 + dropped, shape.slice(dropped)) };
      expect(await worst({ inputs, trace: ({ a, b }) => ({ y: op(a!, b!) }) })).toBeLessThan(1e-6);
    }
  });

  test("rows times their factors equal their reference, whole and without each leading dimension", async () => {
    for (let dropped = 0; dropped < shape.length; dropped++) {
      const inputs = { x: noise(3, shape.slice(dropped)), factors: noise(4, shape.slice(0, -1)) };
      expect(await worst({ inputs, trace: (t) => ({ y: timesRows(t.x!, t.factors!) }) })).toBeLessThan(1e-6);
    }
  });

  test("silu equals x·sigmoid(x), far from zero too", async () => {
    const wide = { ...x, data: Float32Array.from(x.data as Float32Array, (v) => 20 * v) };
    expect(await worst({ inputs: { x: wide }, trace: (t) => ({ y: silu(t.x!) }) })).toBeLessThan(1e-6);
  });

  test.each([
    { name: "gelu", op: (t: Tensor) => gelu(t, "exact") },
    { name: "gelu by tanh", op: (t: Tensor) => gelu(t, "tanh") },
    { name: "tanh", op: tanh },
    { name: "relu", op: relu },
    { name: "clamp from both sides", op: (t: Tensor) => clamp(t, { least: -1.5, most: 2 }) },
    { name: "clamp from above", op: (t: Tensor) => clamp(t, { most: 0.5 }) },
    { name: "softcap", op: (t: Tensor) => softcap(t, 2.5) },
  ])("$name equals its reference, far from zero too", async ({ op }) => {
    for (const reach of [0.1, 1, 20]) {
      const wide = { ...x, data: Float32Array.from(x.data as Float32Array, (v) => reach * v) };
      expect(await worst({ inputs: { x: wide }, trace: (t) => ({ y: op(t.x!) }) })).toBeLessThan(2e-6);
    }
  });

  test.each([0, 1, -0.125, 3.7])("scale by %d", async (factor) => {
    expect(await worst({ inputs: { x }, trace: (t) => ({ y: scale(t.x!, factor) }) })).toBeLessThan(1e-6);
  });
});

test("one program serves several symbolic sizes", async () => {
  for (const tokens of [1, 4, 9]) {
    const symbolic = [sym("batch"), sym("tokens"), 6];
    const inputs = { a: noise(tokens, [2, tokens, 6], symbolic), b: noise(3, [6]) };
    const bindings = { batch: 2, tokens };
    expect(await worst({ inputs, bindings, trace: ({ a, b }) => ({ y: plus(a!, b!) }) })).toBeLessThan(1e-6);
  }
});

test("factors that do not fit the rows are refused", async () => {
  const inputs = { x: noise(1, [2, 3, 4]), factors: noise(2, [3, 2]) };
  const trial = () => compare({ inputs, trace: (t) => ({ y: timesRows(t.x!, t.factors!) }) });
  await expect(trial()).rejects.toThrow(`timesRows: operand "factors" is f32[3, 2], expected [..., 2, 3]`);
});
