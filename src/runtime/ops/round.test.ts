import { describe, expect, test } from "vitest";
import { Graph } from "../../graph/graph.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { ndarray } from "../../graph/ndarray.ts";
import { round, roundTo } from "../../graph/ops/round.ts";
import { halfFloats, toHalf } from "../../weights/gguf/half.ts";
import { compare, noise } from "../compare.testing.ts";

describe.each(["bf16", "fp16"] as const)("%s", (format) => {
  test("the compiled form rounds as the reference does, to the last bit", async () => {
    const x = noise(3, [4000]);
    const data = Float32Array.from(x.data as Float32Array, (v, i) => v * 2 ** ((i % 60) - 40));
    const trial = {
      inputs: { x: { ...x, data } },
      trace: (t: Readonly<Record<string, ReturnType<typeof round>>>) => ({ y: round(t["x"]!, format) }),
    };
    const { y } = await compare(trial);
    // Positive and negative zero are equal.
    const plain = (values: Iterable<number>) => Array.from(values, (v) => v + 0);
    expect(plain(y!.got.data)).toEqual(plain(y!.expected.data));
    expect(y!.got.data.some((v, i) => v !== data[i])).toBe(true);
  });
});

test("ties go to even, small numbers keep few bits, large ones become infinite", () => {
  expect(roundTo(1 + 2 ** -8, "bf16")).toBe(1);
  expect(roundTo(1 + 3 * 2 ** -8, "bf16")).toBe(1 + 2 ** -6);
  expect(roundTo(Math.exp(-0.001), "bf16")).toBe(1);
  expect(roundTo(-65_519, "fp16")).toBe(-65_504);
  expect(roundTo(65_520, "fp16")).toBe(Number.POSITIVE_INFINITY);
  expect(roundTo(2 ** -24, "fp16")).toBe(2 ** -24);
  expect(roundTo(2 ** -26, "fp16")).toBe(0);
  expect(roundTo(Number.NaN, "bf16")).toBeNaN();
  for (const value of [0.1, -3.7, 1e-6, 12_345.6])
    expect(roundTo(Math.fround(value), "fp16")).toBe(halfFloats()[toHalf(value)]);
});

test("its cost is zero: it simulates another machine", () => {
  const g = new Graph();
  g.output("y", round(g.input("x", "f32", [3]), "bf16"));
  expect([...interpret(g, { x: ndarray([3], [1, 0.1, 1e-3]) }, {})["y"]!.data]).toEqual(
    [1, 0.1, 1e-3].map((v) => roundTo(v, "bf16")),
  );
});
