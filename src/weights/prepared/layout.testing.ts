import { expect } from "vitest";
import type { KernelMatrix } from "./layout.ts";

/** scale · (code − zero) + residual, row-major, in float64. */
export function weightsOf({ rows, block: size, codes, scale, zero, residual }: KernelMatrix): Float64Array {
  const blocks = scale.length / rows;
  return Float64Array.from(codes, (code, i) => {
    const block = Math.floor(i / size);
    const extra = residual ? residual[(block % blocks) * rows + Math.floor(block / blocks)]! : 0;
    return scale[block]! * (code - zero[block]!) + extra;
  });
}

/** That each weight differs by no more than `tolerance` times the largest of its block. */
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
