import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { dequantize, unpackQ4_1, unpackQ8_0 } from "../gguf/index.ts";
import { fromQ4_1, fromQ8_0, type KernelMatrix, stack } from "./layout.ts";

/** Half-precision bits of values that it holds exactly. */
const HALF = {
  zero: 0x0000,
  one: 0x3c00,
  minusOne: 0xbc00,
  tiny: 0x0001,
  quarter: 0x3400,
  minusTwo: 0xc000,
  big: 0x5640,
};

/** A block of Q4_1: scale, minimum, 16 random bytes. */
function q4(scale: number, min: number, random: () => number): number[] {
  const codes = Array.from({ length: 16 }, () => Math.floor(random() * 256));
  return [scale & 255, scale >> 8, min & 255, min >> 8, ...codes];
}

function q8(scale: number, random: () => number): number[] {
  return [scale & 255, scale >> 8, ...Array.from({ length: 32 }, () => Math.floor(random() * 256))];
}

/** scale · (code − zero) + residual, row-major. */
function weightsOf({ rows, codes, scale, zero, residual }: KernelMatrix): Float64Array {
  const blocks = scale.length / rows;
  return Float64Array.from(codes, (code, i) => {
    const block = Math.floor(i / 32);
    const extra = residual ? residual[(block % blocks) * rows + Math.floor(block / blocks)]! : 0;
    return scale[block]! * (code - zero[block]!) + extra;
  });
}

function expectEqual(got: Float64Array, expected: Float32Array): void {
  expect(got.length).toBe(expected.length);
  const greatest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  for (const [i, v] of expected.entries()) expect(Math.abs(got[i]! - v)).toBeLessThanOrEqual(1e-5 * greatest);
}

const odd: [string, number, number][] = [
  ["scale 0", HALF.zero, HALF.one],
  ["scale 0 and minimum 0", HALF.zero, HALF.zero],
  ["a negative scale", HALF.minusOne, HALF.one],
  ["a positive minimum, so that no code is zero", HALF.quarter, HALF.big],
  ["a minimum far below, so that zero is beyond the codes", HALF.tiny, HALF.minusTwo],
  ["an ordinary block", HALF.quarter, HALF.minusTwo],
];

describe("Q4_1", () => {
  test.each(odd)("%s", (_, scale, min) => {
    const bytes = Uint8Array.from(q4(scale, min, seededRandom(scale + min)));
    expectEqual(weightsOf(fromQ4_1(unpackQ4_1(bytes, 1, 32), 1)), dequantize("Q4_1", bytes, 32));
  });

  test("a matrix of all of them", () => {
    const random = seededRandom(7);
    const [rows, blocks] = [5, 3];
    const bytes = Uint8Array.from(
      Array.from({ length: rows * blocks }, (_, i) => q4(odd[i % 6]![1], odd[i % 6]![2], random)).flat(),
    );
    const matrix = fromQ4_1(unpackQ4_1(bytes, rows, blocks * 32), rows);
    expectEqual(weightsOf(matrix), dequantize("Q4_1", bytes, rows * blocks * 32));
  });
});

test.each([HALF.zero, HALF.one, HALF.minusTwo, HALF.tiny, HALF.big])("Q8_0 with scale bits %d", (scale) => {
  const bytes = Uint8Array.from([...q8(scale, seededRandom(scale)), ...q8(HALF.one, seededRandom(1))]);
  expectEqual(weightsOf(fromQ8_0(unpackQ8_0(bytes, 2, 32), 2)), dequantize("Q8_0", bytes, 64));
});

describe("stacking", () => {
  const random = seededRandom(3);
  const four = (rows: number) =>
    Uint8Array.from(Array.from({ length: rows * 2 }, (_, i) => q4(odd[i % 6]![1], odd[i % 6]![2], random)).flat());
  const [a, b] = [four(3), four(5)];
  const eight = Uint8Array.from(Array.from({ length: 4 }, () => q8(HALF.quarter, random)).flat());
  const join = (...parts: Float32Array[]) => Float32Array.from(parts.flatMap((p) => [...p]));
  const from4 = (bytes: Uint8Array, rows: number) => fromQ4_1(unpackQ4_1(bytes, rows, 64), rows);

  test("rows lie one under the other, residuals with them", () => {
    const stacked = stack([from4(a, 3), from4(b, 5)]);
    expect(stacked.rows).toBe(8);
    expectEqual(weightsOf(stacked), join(dequantize("Q4_1", a, 192), dequantize("Q4_1", b, 320)));
  });

  test("a part without residual counts as zero", () => {
    const plain = fromQ8_0(unpackQ8_0(eight, 2, 64), 2);
    const stacked = stack([from4(a, 3), plain]);
    expectEqual(weightsOf(stacked), join(dequantize("Q4_1", a, 192), dequantize("Q8_0", eight, 128)));
    expect(stack([plain, plain]).residual).toBeUndefined();
  });
});
