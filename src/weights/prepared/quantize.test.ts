import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { type Bits, Rounding } from "./quantize.ts";

const [ROWS, COLS] = [3, 64];
const random = seededRandom(4);
/** Uneven blocks: of one sign, all zero, of one huge weight, and ordinary ones. */
const values = Float32Array.from({ length: ROWS * COLS }, (_, i) => {
  const [block, r] = [Math.floor(i / 32), random() - 0.4];
  return [r, Math.abs(r), 0, -Math.abs(r), i % 32 === 5 ? 1e4 : r, 1e-30 * r][block]!;
});

function rounded(bits: Bits) {
  const rounding = new Rounding(bits, ROWS, COLS);
  // In pieces of whole rows, like a large matrix.
  for (let row = 0; row < ROWS; row++) rounding.add(values.subarray(row * COLS, (row + 1) * COLS), row * COLS);
  const { codes, scale, zero, residual } = rounding.matrix(8);
  const blocks = COLS / 32;
  const left = (at: number) => residual?.[(at % blocks) * ROWS + Math.floor(at / blocks)] ?? 0;
  const back = Array.from(codes, (code, i) => scale[i >> 5]! * (code - zero[i >> 5]!) + left(i >> 5));
  return { codes, scale, residual, back };
}

describe.each<[Bits, number]>([
  [8, 255],
  [4, 16],
])("%i bits", (bits, levels) => {
  const { codes, scale, back, residual } = rounded(bits);

  test("every weight is within half a step of its own", () => {
    for (let block = 0; block < scale.length; block++) {
      const own = values.subarray(32 * block, 32 * block + 32);
      const [least, most] = [Math.min(...own), Math.max(...own)];
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
    expect(residual !== undefined).toBe(bits === 4);
  });

  test("zeros stay zero", () => {
    expect(back.slice(64, 96).every((w) => w === 0)).toBe(true);
  });
});

test("16 levels of a block are kept as they are", () => {
  const grid = Float32Array.from({ length: 32 }, (_, i) => -0.75 + 0.25 * (i % 16));
  const rounding = new Rounding(4, 1, 32);
  rounding.add(grid, 0);
  const { codes, scale, zero, residual } = rounding.matrix(8);
  expect(Array.from(codes, (code) => scale[0]! * (code - zero[0]!) + residual![0]!)).toEqual([...grid]);
});
