import { expect, test } from "vitest";
import { ParameterStore } from "./parameters.ts";

const qkv = { sizes: { q: 4, k: 2, v: 2 }, inner: [3] };

test("tensors of one input lie end to end; a tensor of two inputs is stored once", () => {
  using store = new ParameterStore(
    [qkv, { sizes: { head: 5 }, inner: [3] }, { sizes: { head: 5 }, inner: [3] }],
    () => true,
  );
  expect(store.parameters.map(({ name, shape, offset }) => [name, shape, offset])).toEqual([
    ["q", [4, 3], 0],
    ["k", [2, 3], 12],
    ["v", [2, 3], 18],
    ["head", [5, 3], 32],
  ]);
  store.valuesOf(store.parameter("k")).fill(7);
  const view = store.view("values", qkv);
  expect(view.shape).toEqual([8, 3]);
  expect([...new Float32Array(store.values.memory, 0, 24)]).toEqual([
    ...Array(12).fill(0),
    ...Array(6).fill(7),
    ...Array(6).fill(0),
  ]);
});

test("trained matrices come first, then vectors, then frozen parameters, which have no gradients", () => {
  const joined = ["cold", "gain", "warm"].map((name) => ({ sizes: { [name]: 2 }, inner: name === "gain" ? [] : [8] }));
  using store = new ParameterStore(joined, (name) => name !== "cold");
  expect(store.parameters.map(({ name, offset }) => [name, offset])).toEqual([
    ["warm", 0],
    ["gain", 16],
    ["cold", 32],
  ]);
  expect(store.matrices).toEqual({ offset: 0, elements: 16 });
  expect(store.vectors).toEqual({ offset: 16, elements: 16 });
  expect(store.gradients.elements).toBe(32);
});

test("the tensors of one input are all trained, or none", () => {
  expect(() => new ParameterStore([qkv], (name) => name === "q")).toThrow(
    "q, k, v are multiplied as one matrix: expected either all or none of them to be trained",
  );
});
