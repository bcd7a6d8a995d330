import { expect, test } from "vitest";
import { GradientNorm } from "./gradient-norm.ts";
import { ParameterStore } from "./parameters.ts";

// Sizes: less than one row of sums, whole rows, and whole rows plus a remainder.
test.each([6, 8192, 10_000])("the norm of %i elements covers everything that is trained", async (elements) => {
  const joined = [
    { sizes: { "a.weight": elements / 2 }, inner: [2] },
    { sizes: { "frozen.weight": 1 }, inner: [3] },
  ];
  using store = new ParameterStore(joined, (name) => name === "a.weight");
  using norm = new GradientNorm(store);
  store.zeroGradients();
  const gradients = new Float32Array(store.gradients.memory);
  gradients.set([3, 0, 0, 0, 0, 4]);
  expect(await norm.now()).toBe(5);
  gradients[elements - 1] = -12;
  expect(await norm.now()).toBe(elements === 6 ? Math.hypot(3, 12) : 13);
  gradients[0] = Number.NaN;
  expect(await norm.now()).toBe(Number.NaN);
});
