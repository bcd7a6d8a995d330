import { expect, test } from "vitest";
import { optimizerOptions } from "../options.ts";
import { clipFactor, Optimizer } from "./optimizer.ts";
import { ParameterStore } from "./parameters.ts";

const joined = [
  { sizes: { "a.weight": 2 }, inner: [3] },
  { sizes: { "a.bias": 2 }, inner: [] },
  { sizes: { "frozen.weight": 1 }, inner: [3] },
];

function filled() {
  const store = new ParameterStore(joined, (name) => name !== "frozen.weight");
  for (const p of store.parameters) store.valuesOf(p).set([1, -2, 0.5, 3, -1, 0.25].slice(0, store.valuesOf(p).length));
  return store;
}

/** A step's gradients, for the optimiser and for the reference implementation. */
const gradientAt = (element: number, step: number) => Math.sin(7 * element + step) * 10 ** -(element % 3);

function setGradients(store: ParameterStore, step: number): void {
  const gradients = new Float32Array(store.gradients.memory);
  for (let i = 0; i < store.trainedElements; i++) gradients[i] = gradientAt(i, step);
}

/** AdamW on one element in float64, by the paper's definition. */
function adamw(value: number, element: number, steps: number, decays: boolean, clip: number): number {
  let [w, m, v] = [value, 0, 0];
  for (let t = 1; t <= steps; t++) {
    const g = clip * gradientAt(element, t);
    w -= decays ? 0.01 * 0.1 * w : 0;
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    w -= (0.01 * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.95 ** t)) + 1e-8);
  }
  return w;
}

test("AdamW follows the paper's formula; vectors do not decay and frozen parameters do not change", async () => {
  using store = filled();
  using optimizer = await Optimizer.create(optimizerOptions.parse({}), store);
  for (let count = 1; count <= 5; count++) {
    setGradients(store, count);
    await optimizer.step({ count, rate: 0.01, clip: 0.5 });
  }
  for (const parameter of store.parameters) {
    const start = [1, -2, 0.5, 3, -1, 0.25];
    for (const [i, value] of store.valuesOf(parameter).entries()) {
      const element = parameter.offset + i;
      const expected = parameter.trained ? adamw(start[i]!, element, 5, parameter.shape.length > 1, 0.5) : start[i]!;
      expect(value).toBeCloseTo(expected, 5);
    }
  }
});

test("SGD with momentum follows its formula", async () => {
  using store = filled();
  const options = optimizerOptions.parse({ name: "sgd", momentum: 0.5, weightDecay: 0 });
  using optimizer = await Optimizer.create(options, store);
  let [value, velocity] = [1, 0];
  for (let count = 1; count <= 4; count++) {
    setGradients(store, count);
    await optimizer.step({ count, rate: 0.1, clip: 1 });
    velocity = 0.5 * velocity + gradientAt(0, count);
    value -= 0.1 * velocity;
  }
  expect(store.valuesOf(store.parameter("a.weight"))[0]).toBeCloseTo(value, 5);
});

test("a gradient's norm is clipped as PyTorch clips it", () => {
  expect(clipFactor(5, 1)).toBeCloseTo(0.2, 6);
  expect(clipFactor(0.5, 1)).toBe(1);
  expect(clipFactor(50, 0)).toBe(1);
});
