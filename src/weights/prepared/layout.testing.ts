import { expect } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import type { KernelMatrix } from "./layout.ts";

/** scale · (code − zero) + residual, row-major, in float64. */
export function weightsOf({ rows, block: size, bits, codes, scale, zero, residual }: KernelMatrix): Float64Array {
  const blocks = scale.length / rows;
  const zeros = loose(zero, bits, rows, blocks);
  return Float64Array.from(loose(codes, bits, rows, blocks * size), (code, i) => {
    const block = Math.floor(i / size);
    const extra = residual ? residual[(block % blocks) * rows + Math.floor(block / blocks)]! : 0;
    return scale[block]! * (code - zeros[block]!) + extra;
  });
}

/** One byte for each of a row's `width` values; 4-bit values fill a row's bytes starting with the low halves. */
function loose(values: Uint8Array, bits: CodeBits, rows: number, width: number): number[] {
  const bytes = values.length / rows;
  return Array.from({ length: rows * width }, (_, i) => {
    const [start, at] = [Math.floor(i / width) * bytes, i % width];
    return bits === 8 ? values[start + at]! : (values[start + Math.floor(at / 2)]! >> (at % 2 === 0 ? 0 : 4)) & 15;
  });
}

/** Checks that each weight differs by at most `tolerance` times the largest of its block. */
export function expectWeights(got: Float64Array, expected: Float32Array, block: number, tolerance: number): void {
  expect(got.length).toBe(expected.length);
  for (let from = 0; from < got.length; from += block) {
    const weights = expected.subarray(from, from + block);
    const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    const worst = weights.reduce((most, w, i) => Math.max(most, Math.abs(got[from + i]! - w)), 0);
    if (!(worst <= tolerance * largest))
      expect.fail(`block ${from / block} is off by ${worst}, its largest being ${largest}`);
  }
}
