import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/util/random.ts";
import { benettin, type StateMap, unitVector, type Vector } from "./benettin.ts";
import { DecaySums, memoryOf } from "./closed-form.ts";
import { diagonalMap, tanhNetwork } from "./maps.ts";
import { twoTrajectories } from "./two-trajectories.ts";

/** x ← r x (1 − x); at r = 4 its exponent is ln 2. */
const logisticMap = (r: number): StateMap => ({
  next: ([x]) => Float64Array.of(r * x! * (1 - x!)),
  push: ([x], [v]) => Float64Array.of(r * (1 - 2 * x!) * v!),
});

/** (x, y) ← (1 − a x² + y, b x) (Hénon 1976); its exponents sum to ln b. */
const henonMap = (a: number, b: number): StateMap => ({
  next: ([x, y]) => Float64Array.of(1 - a * x! * x! + y!, b * x!),
  push: ([x], [u, v]) => Float64Array.of(-2 * a * x! * u! + v!, b * u!),
});

const units = (size: number, count = size) => Array.from({ length: count }, (_, i) => unitVector(size, i));

describe("maps with known exponents", () => {
  test("the logistic map: ln 2", () => {
    const [exponent] = benettin(logisticMap(4), Float64Array.of(0.3), units(1), { steps: 100_000, transient: 100 });
    expect(Math.abs(exponent! - Math.LN2)).toBeLessThan(0.002);
  });

  test("Hénon's map: both exponents, and their sum", () => {
    const map = henonMap(1.4, 0.3);
    const [first, second] = benettin(map, Float64Array.of(0.1, 0.1), units(2), { steps: 100_000, transient: 100 });
    expect(Math.abs(first! - 0.4195)).toBeLessThan(0.005);
    expect(Math.abs(second! + 1.6235)).toBeLessThan(0.005);
    expect(Math.abs(first! + second! - Math.log(0.3))).toBeLessThan(1e-9);
  });

  test("two trajectories of Hénon's map", async () => {
    const map = henonMap(1.4, 0.3);
    const both = async (a: Vector, b: Vector, step: number) => [map.next(a, step), map.next(b, step)] as const;
    const options = { steps: 20_000, transient: 100, epsilon: 1e-6 };
    const exponent = await twoTrajectories(both, Float64Array.of(0.1, 0.1), Float64Array.of(1, 0), options);
    expect(Math.abs(exponent - 0.4195)).toBeLessThan(0.01);
  });

  test("a tanh network forgets at gain 0.5 and is chaotic at gain 3, with and without tokens", () => {
    const random = seededRandom(3);
    const start = Float64Array.from({ length: 100 }, () => random() - 0.5);
    const text = Array.from({ length: 300 }, () => Math.floor(random() * 60));
    const exponent = (gain: number, ids: readonly number[]) =>
      benettin(tanhNetwork(gain, 100, 1, ids), start, units(100, 1), { steps: 300, transient: 100 })[0]!;
    for (const ids of [[], text]) {
      expect(exponent(0.5, ids)).toBeLessThan(-0.4);
      expect(exponent(3, ids)).toBeGreaterThan(0.1);
    }
  });
});

describe("a state space's layer", () => {
  const [size, tokens] = [12, 400];
  const random = seededRandom(7);
  const rates = Float64Array.from({ length: size }, (_, i) => -(1 + (i % 4)));
  const steps = Float64Array.from({ length: size * tokens }, () => 0.001 + 0.07 * random());
  const decaysOf = (rate: (i: number) => number, factor = 1) => steps.map((step, i) => factor * step * rate(i % size));
  const exponents = (decays: Float64Array) => {
    const sums = new DecaySums(size);
    sums.add(decays.subarray(0, 5 * size));
    sums.add(decays.subarray(5 * size));
    expect(sums.tokens).toBe(tokens);
    return [...sums.exponents];
  };
  const decaying = decaysOf((i) => rates[i]!);

  test("the closed form equals QR's result from unit vectors", () => {
    const measured = benettin(diagonalMap(decaying, size), new Float64Array(size), units(size), { steps: tokens });
    for (const [i, exponent] of exponents(decaying).entries())
      expect(Math.abs(measured[i]! - exponent)).toBeLessThan(1e-9);
  });

  test("a sum of logarithms does not underflow", () => {
    const sums = new DecaySums(1);
    sums.add(new Float32Array(100).fill(-50));
    expect(sums.exponents[0]).toBe(-50);
  });

  test("all exponents are negative; with A = +exp(A_log) they are not", () => {
    expect(Math.max(...exponents(decaying))).toBeLessThan(0);
    expect(Math.min(...exponents(decaysOf((i) => -rates[i]!)))).toBeGreaterThan(0);
  });

  test("twice the steps double every exponent; steps of zero give zero, and endless memory", () => {
    const once = exponents(decaying);
    for (const [i, twice] of exponents(decaysOf((j) => rates[j]!, 2)).entries())
      expect(twice).toBeCloseTo(2 * once[i]!, 12);
    const none = exponents(decaysOf((j) => rates[j]!, 0));
    expect(none.every((exponent) => exponent === 0)).toBe(true);
    expect(memoryOf(none[0]!)).toBe(Number.POSITIVE_INFINITY);
    expect(memoryOf(-0.01)).toBe(100);
  });
});
