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
      const bound = (step / 2) * (1 + 1e-5);
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

test("4 bits: levels that are moved by just half a step end at 15", () => {
  // Steps of 1, zero at level 5: −4.5 is at 0.5, and 10.5 at 15.5.
  const ends = Float32Array.from({ length: 32 }, (_, i) => [-4.5, 10.5, 0][i % 3]!);
  const matrix = emptyMatrix(1, 32);
  roundInto(matrix, ends, 0, 4);
  expect([matrix.scale[0], matrix.zero[0], ...matrix.codes.subarray(0, 3)]).toEqual([1, 5, 1, 15, 5]);
});
