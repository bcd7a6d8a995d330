import { expect, test } from "vitest";
import { Graph, graphCost, sym } from "../../graph/index.ts";
import { conv2d, enlarge } from "../../graph/ops/conv2d.ts";
import { groupNorm } from "../../graph/ops/group-norm.ts";
import { noise, worst } from "../compare.testing.ts";

const batch = sym("batch");
const plain = { stride: 1, padding: 1 };

test.each([1, 3])("one program for %d images", async (rows) => {
  const inputs = {
    x: noise(1, [rows, 4, 7, 6], [batch, 4, 7, 6]),
    weight: noise(2, [5, 4, 3, 3]),
    gain: noise(3, [4]),
    bias: noise(4, [4]),
  };
  const error = await worst({
    ...{ inputs, bindings: { batch: rows } },
    trace: ({ x, weight, gain, bias }) => {
      const normed = groupNorm(x!, gain!, bias!, { groups: 2, epsilon: 1e-5 });
      return { y: enlarge(conv2d(normed, weight!, undefined, { stride: 2, padding: 1 }), 2) };
    },
  });
  expect(error).toBeLessThan(1e-5);
});

test("a convolution costs two FLOPs for each product of a kernel's element and a place of the result", () => {
  const g = new Graph();
  const x = g.input("x", "f32", [batch, 4, 7, 6]);
  conv2d(x, g.input("weight", "f32", [5, 4, 3, 3]), undefined, { stride: 2, padding: 1 });
  expect(String(graphCost(g).flops)).toBe(`${2 * 5 * 4 * 3 * 4 * 3 * 3}*batch`);
});

test("operands that do not fit are named", () => {
  const g = new Graph();
  const of = (...shape: number[]) => g.input(`x${g.inputs.length}`, "f32", shape);
  const x = of(1, 4, 5, 5);
  expect(() => conv2d(of(1, 4, 5), of(2, 4, 3, 3), undefined, plain)).toThrow('operand "x" is f32[1, 4, 5]');
  expect(() => conv2d(x, of(2, 3, 3, 3), undefined, plain)).toThrow('operand "weight" is f32[2, 3, 3, 3]');
  expect(() => conv2d(x, of(2, 4, 3, 3), of(3), plain)).toThrow('operand "bias" is f32[3], expected [2]');
  expect(() => conv2d(x, of(2, 4, 9, 9), undefined, plain)).toThrow("expected sides of at least the kernel's 9 × 9");
  const groups = { groups: 3, epsilon: 1e-5 };
  expect(() => groupNorm(x, of(4), of(4), groups)).toThrow("expected [batch, channels in 3 groups, …]");
  expect(() => groupNorm(x, of(4), of(5), { ...groups, groups: 2 })).toThrow('operand "bias" is f32[5], expected [4]');
});
