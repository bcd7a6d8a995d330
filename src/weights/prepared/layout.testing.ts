import { expect } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import type { KernelMatrix } from "./layout.ts";

/** Computes scale · (code − zero), row-major, in float64. If the matrix is corrected, each row's weights are followed by two digits per block. */
export function weightsOf({ rows, block: size, bits, corrected, codes, scale, zero }: KernelMatrix): Float64Array {
  const stored = scale.length / rows;
  const zeros = loose(zero, bits, rows, stored);
  const all = loose(codes, bits, rows, stored * size).map((code, i) => {
    const block = Math.floor(i / size);
    return scale[block]! * (code - zeros[block]!);
  });
  if (!corrected) return Float64Array.from(all);
  // A block of digits serves 16 blocks of weights, or the remaining ones.
  const blocks = stored - Math.ceil(stored / 17);
  return Float64Array.from({ length: rows * blocks * size }, (_, i) => {
    const [row, column] = [Math.floor(i / (blocks * size)), i % (blocks * size)];
    const digits = (row * stored + blocks) * size + 2 * Math.floor(column / size);
    return all[row * stored * size + column]! + all[digits]! + all[digits + 1]! / 16;
  });
}

/** Unpacks each of a row's `width` values into one byte; 4-bit values start in the low half of each byte. */
function loose(values: Uint8Array, bits: CodeBits, rows: number, width: number): number[] {
  const bytes = values.length / rows;
  return Array.from({ length: rows * width }, (_, i) => {
    const [start, at] = [Math.floor(i / width) * bytes, i % width];
    return bits === 8 ? values[start + at]! : (values[start + Math.floor(at / 2)]! >> (at % 2 === 0 ? 0 : 4)) & 15;
  });
}

/** Checks that each weight is off by at most `tolerance` times the largest weight in its block. */
export function expectWeights(got: Float64Array, expected: Float32Array, block: number, tolerance: number): void {
  expect(got.length).toBe(expected.length);
  for (let from = 0; from < got.length; from += block) {
    const weights = expected.subarray(from, from + block);
    const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    const worst = weights.reduce((most, w, i) => Math.max(most, Math.abs(got[from + i]! - w)), 0);
    if (!(worst <= tolerance * largest))
      expect.fail(`block ${from / block} is off by ${worst}; its largest value is ${largest}`);
  }
}
