import { describe, expect, test } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import { seededRandom } from "../../util/random.ts";
import { expectWeights, weightsOf } from "../prepared/layout.testing.ts";
import { finiteBlocks } from "./gguf.testing.ts";
import { dequantize, kernelForm, toKernelMatrix } from "./index.ts";
import { GGML_TYPES, type GgmlType } from "./types.ts";

const ROWS = 11;
const COLS = 2048;

const exact = ["Q4_0", "Q5_0", "Q8_0", "IQ4_NL", "IQ4_XS", "MXFP4", "Q3_K"] as const;
const withMinimum = ["Q4_1", "Q5_1", "Q4_K", "Q5_K"] as const;
const ofSixteen = ["Q2_K", "Q6_K"] as const;
const ofFour: readonly GgmlType[] = ["Q4_0", "Q4_1", "Q4_K"];

function example(type: GgmlType): Uint8Array {
  return finiteBlocks(type, (ROWS * COLS) / GGML_TYPES[type].block, seededRandom(GGML_TYPES[type].id));
}

/** Pairs every type with each bit width that it supports. */
const inBits = <T extends GgmlType>(types: readonly T[]): [T, CodeBits][] =>
  types.flatMap((type) =>
    (ofFour.includes(type) ? [4, 8] : [8]).map((bits): [T, CodeBits] => [type, bits as CodeBits]),
  );

describe.each(inBits(exact))("%s in %i bits", (type, bits) => {
  test("every weight to the last bit", () => {
    const matrix = toKernelMatrix(type, example(type), [ROWS, COLS], bits);
    expect([matrix.rows, matrix.bits, matrix.block, matrix.corrected]).toEqual([ROWS, bits, 32, false]);
    expect(matrix.codes.length).toBe((ROWS * COLS * bits) / 8);
    const expected = dequantize(type, example(type), ROWS * COLS);
    const first = Float32Array.from(weightsOf(matrix)).findIndex((w, i) => w !== expected[i]);
    expect(first).toBe(-1);
  });
});

test("Q3_K: the extremes of scale times code fit their 8 bits", () => {
  // If all bits are unset, the scale is −32 and the code −4; if all are set, 31 and 3.
  const blocks = [0x00, 0xff].flatMap((scales) =>
    [0x00, 0xff].map((codes) => {
      const block = new Uint8Array(110).fill(codes);
      block.fill(scales, 96, 108);
      block.set([0x00, 0x3c], 108);
      return [...block];
    }),
  );
  const bytes = Uint8Array.from(blocks.flat());
  const matrix = toKernelMatrix("Q3_K", bytes, [4, 256], 8);
  const rows = [0, 256, 512, 768].map((at) => weightsOf(matrix)[at]);
  expect(rows).toEqual([128, -96, -124, 93]);
  expectWeights(weightsOf(matrix), dequantize("Q3_K", bytes, 1024), 32, 0);
});

describe.each(inBits(withMinimum))("%s in %i bits", (type, bits) => {
  test("every weight within a 238th of the largest of 16 blocks with 4 bits, a 248th of its block's with 8", () => {
    const matrix = toKernelMatrix(type, example(type), [ROWS, COLS], bits);
    const corrected = bits === 4;
    expect([matrix.bits, matrix.block, matrix.corrected]).toEqual([bits, 32, corrected]);
    // Two additional codes per block of 32.
    expect(matrix.codes.length).toBe((ROWS * COLS * (corrected ? 17 / 16 : 1) * bits) / 8);
    const [width, bound] = corrected ? [512, 1 / 237.9] : [32, 1 / 248];
    expectWeights(weightsOf(matrix), dequantize(type, example(type), ROWS * COLS), width, bound);
  });
});

test.each(ofSixteen)("%s is rounded to 8 bits with a scale for each 32 weights", (type) => {
  expect(kernelForm(type)).toEqual({ bits: 8, block: 32, minimum: false, rounded: 8 });
  expect(() => toKernelMatrix(type, example(type), [ROWS, COLS], 8)).toThrow(`${type} has no block form`);
});

test.each([...exact, ...withMinimum])("%s: kernelForm tells what toKernelMatrix makes, in the fewest bits", (type) => {
  const bits = ofFour.includes(type) ? 4 : 8;
  const { block } = toKernelMatrix(type, example(type), [ROWS, COLS], bits);
  expect(kernelForm(type)).toEqual({ bits, block, minimum: withMinimum.some((t) => t === type) });
  if (bits === 8)
    expect(() => toKernelMatrix(type, example(type), [ROWS, COLS], 4)).toThrow(`${type} has no block form with 4-bit`);
});

test("4 bits: an odd number of blocks, each row's zero points beginning a byte", () => {
  const cols = 3 * 32;
  const bytes = finiteBlocks("Q4_1", 5 * 3, seededRandom(1));
  const matrix = toKernelMatrix("Q4_1", bytes, [5, cols], 4);
  expect([matrix.codes.length, matrix.zero.length]).toEqual([(5 * (cols + 32)) / 2, 5 * 2]);
  expectWeights(weightsOf(matrix), dequantize("Q4_1", bytes, 5 * cols), cols, 1 / 238);
});

test("types without a form", () => {
  for (const type of Object.keys(GGML_TYPES) as GgmlType[]) {
    const has = [...exact, ...withMinimum, ...ofSixteen].some((t) => t === type);
    expect([type, kernelForm(type) !== undefined]).toEqual([type, has]);
  }
  expect(() => toKernelMatrix("F16", new Uint8Array(64), [1, 32], 8)).toThrow("F16 has no block form");
});

test.each([4, 8] as const)("%i bits: leaves its input as it was", (bits) => {
  const bytes = example("Q4_1");
  toKernelMatrix("Q4_1", bytes, [ROWS, COLS], bits).codes.fill(0);
  expect(bytes).toEqual(example("Q4_1"));
});

test("refuses shapes that the bytes do not have", () => {
  const bytes = new Uint8Array(40);
  expect(() => toKernelMatrix("Q4_1", bytes, [4, 16], 8)).toThrow(
    "Q4_1 rows must have a multiple of 32 weights, got 16",
  );
  expect(() => toKernelMatrix("Q4_1", bytes, [3, 32], 8)).toThrow("96 weights of type Q4_1 take 60 bytes, got 40");
});
