import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { expectWeights, weightsOf } from "./layout.testing.ts";
import { type Bits, Rounding } from "./quantize.ts";

const [ROWS, COLS] = [3, 64];
const random = seededRandom(4);
/** Various blocks: weights of the same sign, all zeros, one huge weight, and ordinary weights. */
const values = Float32Array.from({ length: ROWS * COLS }, (_, i) => {
  const [block, r] = [Math.floor(i / 32), random() - 0.4];
  return [r, Math.abs(r), 0, -Math.abs(r), i % 32 === 5 ? 1e4 : r, 1e-30 * r][block]!;
});

function rounded(bits: Bits) {
  const rounding = new Rounding(bits, ROWS, COLS);
  // In pieces of whole rows, like a large matrix.
  for (let row = 0; row < ROWS; row++) rounding.add(values.subarray(row * COLS, (row + 1) * COLS), row * COLS);
  const matrix = rounding.matrix(8);
  return { ...matrix, back: Array.from(weightsOf(matrix)) };
}

describe.each<[Bits, number]>([
  [8, 255],
  [4, 16],
])("%i bits", (bits, levels) => {
  const { codes, scale, back } = rounded(bits);

  test("every weight is within half a step of its own, and 4 bits' within a 248th of the largest of that", () => {
    for (let block = 0; block < scale.length; block++) {
      const own = values.subarray(32 * block, 32 * block + 32);
      const [least, most] = [Math.min(...own), Math.max(...own)];
      const step = bits === 8 ? Math.max(most, -least) / 127 : (most - least) / 15;
      const minimum = bits === 8 ? 0 : Math.max(most, -least) / 248;
      const bound = (step / 2) * (1 + 1e-5) + minimum;
      for (const [i, w] of own.entries()) expect(Math.abs(back[32 * block + i]! - w)).toBeLessThanOrEqual(bound);
    }
  });

  test("a block has no more levels than its bits allow, and ordinary ones use most of them", () => {
    for (let block = 0; block < scale.length; block++) {
      const used = new Set(codes.subarray(32 * block, 32 * block + 32)).size;
      expect(used).toBeLessThanOrEqual(levels);
    }
    expect(new Set(codes.subarray(0, 32)).size).toBeGreaterThan(8);
  });

  test("zeros stay zero", () => {
    expect(back.slice(64, 96).every((w) => w === 0)).toBe(true);
  });
});

test.each([4, 8] as const)("16 levels of a block are kept as they are, in %i bits", (bits) => {
  const grid = Float32Array.from({ length: 32 }, (_, i) => -0.75 + 0.25 * (i % 16));
  const rounding = new Rounding(4, 1, 32);
  rounding.add(grid, 0);
  expectWeights(weightsOf(rounding.matrix(bits)), grid, 32, 1e-8);
});

test("blocks of 64 have one scale, and weights within half a step of it", () => {
  const wide = Float32Array.from({ length: 2 * 128 }, () => random() - 0.4);
  const rounding = new Rounding(8, 2, 128, 64);
  rounding.add(wide, 0);
  const matrix = rounding.matrix(8);
  expect([matrix.block, matrix.scale.length, matrix.zero.length]).toEqual([64, 4, 4]);
  for (const [i, w] of weightsOf(matrix).entries()) {
    const block = wide.subarray(64 * (i >> 6), 64 * (i >> 6) + 64);
    const step = block.reduce((most, own) => Math.max(most, Math.abs(own)), 0) / 127;
    expect(Math.abs(w - wide[i]!)).toBeLessThanOrEqual((step / 2) * (1 + 1e-5));
  }
});
