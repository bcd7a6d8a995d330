import { expect, test } from "vitest";
import { halfFloats, toBrainFloats, toHalf, toHalves } from "./half.ts";

const floats = halfFloats();

test("every half but infinities is itself again", () => {
  const changed = Array.from(floats, (value, half) => [value, half] as const).filter(([value, half]) =>
    Number.isNaN(value) ? !Number.isNaN(floats[toHalf(value)]) : Number.isFinite(value) && toHalf(value) !== half,
  );
  expect(changed).toEqual([]);
});

test("a number becomes the nearest half, ties to even; what is too large the largest", () => {
  expect(floats[toHalf(1 + 2 ** -11)]).toBe(1);
  expect(floats[toHalf(1 + 3 * 2 ** -11)]).toBe(1 + 2 ** -9);
  expect(floats[toHalf(1 + 2 ** -11 + 2 ** -20)]).toBe(1 + 2 ** -10);
  expect(floats[toHalf(2 ** -25)]).toBe(0);
  expect(floats[toHalf(1.5 * 2 ** -24)]).toBe(2 ** -23);
  expect([...toHalves(Float32Array.of(1e6, Number.NEGATIVE_INFINITY))].map((half) => floats[half])).toEqual([
    65_504, -65_504,
  ]);
});

test("a number's upper half is the nearest, ties to even; the largest become infinite, a NaN stays one", () => {
  const back = (value: number) => {
    const [half] = toBrainFloats(Float32Array.of(value));
    return new Float32Array(Uint32Array.of(half! << 16).buffer)[0];
  };
  expect(back(-1.5)).toBe(-1.5);
  expect(back(1 + 2 ** -8)).toBe(1);
  expect(back(1 + 3 * 2 ** -8)).toBe(1 + 2 ** -6);
  expect(back(1 + 2 ** -8 + 2 ** -20)).toBe(1 + 2 ** -7);
  expect(back(3.4e38)).toBe(Number.POSITIVE_INFINITY);
  expect(back(Number.NaN)).toBeNaN();
});
