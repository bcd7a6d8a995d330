import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { dequantize } from "./dequantize.ts";
import { byteLength } from "./types.ts";
import { unpackQ4_1, unpackQ8_0 } from "./unpack.ts";

const ROWS = 96;
const COLS = 160;

/** Random blocks, at an odd place of their buffer where `shift` is odd; every bit pattern of the halves may come up. */
function randomBytes(length: number, shift = 0): Uint8Array {
  const random = seededRandom(11);
  return Uint8Array.from({ length: length + shift }, (_, i) => (i < shift ? 0 : 256 * random())).subarray(shift);
}

function combine(codes: ArrayLike<number>, scale: Float32Array, min?: Float32Array): Float32Array {
  return Float32Array.from(codes, (code, i) => {
    const scaled = Math.fround(scale[i >> 5]! * code);
    return min === undefined ? scaled : Math.fround(scaled + min[i >> 5]!);
  });
}

describe.each([0, 1, 2])("bytes that begin at %i", (shift) => {
  test("Q4_1: fround(fround(scale · code) + min) equals dequantize", () => {
    const bytes = randomBytes(byteLength("Q4_1", ROWS * COLS), shift);
    const { codes, scale, min } = unpackQ4_1(bytes, ROWS, COLS);
    expect([codes.length, scale.length, min.length]).toEqual([ROWS * COLS, (ROWS * COLS) / 32, (ROWS * COLS) / 32]);
    expect(Math.max(...codes)).toBe(15);
    expect(combine(codes, scale, min)).toEqual(dequantize("Q4_1", bytes, ROWS * COLS));
  });

  test("Q8_0: fround(scale · code) equals dequantize", () => {
    const bytes = randomBytes(byteLength("Q8_0", ROWS * COLS), shift);
    const { codes, scale } = unpackQ8_0(bytes, ROWS, COLS);
    expect([codes.length, scale.length]).toEqual([ROWS * COLS, (ROWS * COLS) / 32]);
    expect([Math.min(...codes), Math.max(...codes)]).toEqual([-128, 127]);
    expect(combine(codes, scale)).toEqual(dequantize("Q8_0", bytes, ROWS * COLS));
  });
});

test("Q4_1: low nibbles are the first half of a block, high nibbles the second", () => {
  const block = new Uint8Array(20);
  block.set([0x00, 0x3c, 0x00, 0xc0]); // scale 1, minimum −2
  for (let j = 0; j < 16; j++) block[4 + j] = j | ((15 - j) << 4);
  const { codes, scale, min } = unpackQ4_1(block, 1, 32);
  const up = Array.from({ length: 16 }, (_, j) => j);
  expect([...codes]).toEqual([...up, ...up.toReversed()]);
  expect([...scale, ...min]).toEqual([1, -2]);
});

test("leaves its input as it was", () => {
  const bytes = randomBytes(byteLength("Q4_1", 64));
  const before = bytes.slice();
  unpackQ4_1(bytes, 2, 32).codes.fill(0);
  expect(bytes).toEqual(before);
});

test("refuses shapes that the bytes do not have", () => {
  const bytes = new Uint8Array(byteLength("Q4_1", 64));
  expect(() => unpackQ4_1(bytes, 4, 16)).toThrow("Q4_1 rows have a multiple of 32 weights, got 16");
  expect(() => unpackQ4_1(bytes, 3, 32)).toThrow("96 weights of type Q4_1 take 60 bytes, got 40");
  expect(() => unpackQ8_0(bytes, 2, 32)).toThrow("64 weights of type Q8_0 take 68 bytes, got 40");
});
