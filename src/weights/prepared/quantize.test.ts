import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { type Bits, emptyMatrix, roundInto } from "./quantize.ts";

const [ROWS, COLS] = [3, 64];
const random = seededRandom(4);
/** Uneven blocks: of one sign, all zero, of one huge weight, and ordinary ones. */
const values = Float32Array.from({ length: ROWS * COLS }, (_, i) => {
  const [block, r] = [Math.floor(i / 32), random() - 0.4];
  return [r, Math.abs(r), 0, -Math.abs(r), i % 32 === 5 ? 1e4 : r, 1e-30 * r][block]!;
});

function rounded(bits: Bits) {
  const matrix = emptyMatrix(ROWS, COLS);
  // In pieces of whole rows, as a large matrix is.
  for (let row = 0; row < ROWS; row++)
    roundInto(matrix, values.subarray(row * COLS, (row + 1) * COLS), row * COLS, bits);
  const { codes, scale, zero } = matrix;
  const back = Array.from(codes, (code, i) => scale[i >> 5]! * (code - zero[i >> 5]!));
  return { ...matrix, back };
}

describe.each<[Bits, number]>([
  [8, 255],
  [4, 16],
])("%i bits", (bits, levels) => {
  const { codes, scale, back, residual } = rounded(bits);

  test("every weight is within half a step of its own", () => {
    for (let block = 0; block < scale.length; block++) {
      const own = values.subarray(32 * block, 32 * block + 32);
      const [least, most] = [Math.min(0, ...own), Math.max(0, ...own)];
      const step = bits === 8 ? Math.max(most, -least) / 127 : (most - least) / 15;
      // A sixteenth of a step more in 4 bits, for the zero point.
      const bound = step * (bits === 8 ? 0.5 : 0.5 + 1 / 16) * (1 + 1e-5);
      for (const [i, w] of own.entries()) expect(Math.abs(back[32 * block + i]! - w)).toBeLessThanOrEqual(bound);
    }
  });

  test("a block has no more levels than its bits allow, and ordinary ones use most of them", () => {
    for (let block = 0; block < scale.length; block++) {
      const used = new Set(codes.subarray(32 * block, 32 * block + 32)).size;
      expect(used).toBeLessThanOrEqual(levels);
    }
    expect(new Set(codes.subarray(0, 32)).size).toBeGreaterThan(8);
    expect(residual).toBeUndefined();
  });

  test("zeros stay zero", () => {
    expect(back.slice(64, 96).every((w) => w === 0)).toBe(true);
  });
});
