import { describe, expect, test } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import { seededRandom } from "../../util/random.ts";
import { finiteBlocks } from "../gguf/gguf.testing.ts";
import { dequantize, type GgmlType, type KernelForm, kernelForm, toKernelMatrix } from "../gguf/index.ts";
import { GGML_TYPES } from "../gguf/types.ts";
import { expectWeights, weightsOf } from "./layout.testing.ts";
import { fromMinimum, stack } from "./layout.ts";
import { isCorrected, stackedForm } from "./quant.ts";
import { Rounding } from "./quantize.ts";

describe("a minimum", () => {
  const random = seededRandom(5);
  const codes = () => Uint8Array.from({ length: 32 }, () => 16 * random());
  // The largest allowed errors, as fractions of a block's largest weight.
  const bounds = { 4: 1 / 238, 8: 1 / 248 };
  const odd: [string, scale: number, min: number][] = [
    ["scale 0", 0, 1],
    ["scale 0 and minimum 0", 0, 0],
    ["a negative scale", -1, 1],
    ["a positive minimum, so that no code is zero", 0.25, 100],
    ["a minimum far below, so that zero is beyond the codes", 2 ** -24, -2],
    ["an ordinary block", 0.25, -2],
  ];

  test.each(odd.flatMap((block) => ([4, 8] as const).map((bits) => [...block, bits] as const)))(
    "%s (scale %d, minimum %d) in %i bits",
    (_, scale, min, bits) => {
      const block = codes();
      const expected = Float32Array.from(block, (code) => scale * code + min);
      const [scales, mins] = [Float32Array.of(scale), Float32Array.of(min)];
      const matrix = fromMinimum(bits, { rows: 1, codeBits: 4, codes: block, scale: scales, min: mins });
      expectWeights(weightsOf(matrix), expected, 32, bounds[bits]);
    },
  );

  test("in 8 bits codes are multiplied until the minimum is a whole number of steps", () => {
    const [scale, min] = [Float32Array.of(0.5, 0.5, 0.5), Float32Array.of(-3.3, -0.5, 0.1)];
    const loose = Uint8Array.from([...codes(), ...codes(), ...codes()]);
    const expected = Float32Array.from(loose, (code, i) => scale[i >> 5]! * code + min[i >> 5]!);
    const matrix = fromMinimum(8, { rows: 1, codeBits: 4, codes: loose.slice(), scale, min });
    // 6.6 is 99 fifteenths, and 0.2 is three.
    expect([...matrix.zero]).toEqual([99, 17, 0]);
    expectWeights(weightsOf(matrix), expected, 32, 1e-6);
  });

  test("in 4 bits codes stay, and what the zero point leaves is corrected", () => {
    const [scale, min] = [Float32Array.of(0.5, 0.5, 0.5), Float32Array.of(-3.3, -0.5, 0)];
    const loose = Uint8Array.from([...codes(), ...codes(), ...codes()]);
    const expected = Float32Array.from(loose, (code, i) => scale[i >> 5]! * code + min[i >> 5]!);
    const matrix = fromMinimum(4, { rows: 1, codeBits: 4, codes: loose, scale, min });
    // 7 in the low half, 1 in the high half; then 0, whose digits are zero points in the middle of the range.
    expect([...matrix.zero]).toEqual([0x17, 0x80]);
    expect([matrix.corrected, matrix.codes.length, matrix.scale.length]).toEqual([true, 4 * 16, 4]);
    expectWeights(weightsOf(matrix), expected, 32, 1e-6);
  });

  test("in 4 bits an error is at most a 238th of the largest correction among 16 blocks", () => {
    const blocks = 35;
    const scale = Float32Array.from({ length: 2 * blocks }, () => 0.1 + random());
    const min = scale.map((step) => -16 * step * random());
    const loose = Uint8Array.from({ length: 2 * blocks * 32 }, () => 16 * random());
    const expected = Float64Array.from(loose, (code, i) => scale[i >> 5]! * code + min[i >> 5]!);
    const got = weightsOf(fromMinimum(4, { rows: 2, codeBits: 4, codes: loose, scale: scale.slice(), min }));
    const off = Float64Array.from(got, (w, i) => Math.abs(w - expected[i]!));
    for (const [i, error] of off.entries()) {
      const [row, block] = [Math.floor(i / 32 / blocks), Math.floor(i / 32) % blocks];
      const first = row * blocks + 16 * Math.floor(block / 16);
      const shared = Array.from(scale.subarray(first, Math.min(first + 16, (row + 1) * blocks)), (step, j) => {
        const minimum = min[first + j]! / step;
        return step * Math.abs(minimum + Math.min(15, Math.round(-minimum)));
      });
      expect(error).toBeLessThanOrEqual(Math.max(...shared) / 238 + 1e-6);
    }
    expect(Math.max(...off)).toBeGreaterThan(1e-4);
  });
});

describe("stacking", () => {
  const COLS = 512;
  const example = (type: GgmlType, rows: number, bits: CodeBits, cols = COLS) => {
    const bytes = finiteBlocks(type, (rows * cols) / GGML_TYPES[type].block, seededRandom(rows));
    return { matrix: toKernelMatrix(type, bytes, [rows, cols], bits), weights: dequantize(type, bytes, rows * cols) };
  };

  /** The bound on the error, as a fraction of the largest weight in a row. */
  const BOUND = 1 / 238;

  test.each<[string, GgmlType[], KernelForm]>([
    ["alike, without minimum", ["Q5_0", "Q5_0"], { bits: 8, block: 32, minimum: false }],
    ["alike, with minima", ["Q4_1", "Q4_1", "Q4_1"], { bits: 4, block: 32, minimum: true }],
    ["4 bits, with and without minima", ["Q4_0", "Q4_K"], { bits: 4, block: 32, minimum: true }],
    ["4 bits, without minima", ["Q4_0", "Q4_0"], { bits: 4, block: 32, minimum: false }],
    ["8 bits as soon as one part has them", ["Q4_K", "Q8_0"], { bits: 8, block: 32, minimum: true }],
    ["4 bits beside 8", ["Q4_0", "IQ4_NL"], { bits: 8, block: 32, minimum: false }],
  ])("%s", (_, types, expectedForm) => {
    const form = stackedForm(types.map((type) => ({ kind: "blocks", ...kernelForm(type)! })));
    expect(form).toEqual({ kind: "blocks", ...expectedForm });
    if (form.kind !== "blocks") throw new Error("blocks were to stay blocks");
    const parts = types.map((type, i) => example(type, 3 + 2 * i, form.bits));
    const stacked = stack(parts.map((p) => p.matrix));
    expect(stacked.rows).toBe(parts.reduce((sum, p) => sum + p.matrix.rows, 0));
    const { bits, block, corrected } = stacked;
    expect({ bits, block, corrected }).toEqual({ bits: form.bits, block: 32, corrected: isCorrected(form) });
    const expected = Float32Array.from(parts.flatMap((p) => [...p.weights]));
    expectWeights(weightsOf(stacked), expected, COLS, BOUND);
  });

  test("blocks become the smallest of the parts", () => {
    const narrow = { kind: "blocks", ...kernelForm("Q8_0")! } as const;
    const wide = { kind: "blocks", ...kernelForm("Q6_K")!, block: 64 } as const;
    expect(stackedForm([wide, narrow])).toEqual({ kind: "blocks", bits: 8, block: 32, minimum: false });
    expect(stackedForm([wide, wide])).toMatchObject({ block: 64 });
  });

  test("rows of an odd number of 4-bit blocks", () => {
    const parts = [example("Q4_1", 3, 4, 96), example("Q4_0", 5, 4, 96)];
    const expected = Float32Array.from(parts.flatMap((p) => [...p.weights]));
    expectWeights(weightsOf(stack(parts.map((p) => p.matrix))), expected, 96, BOUND);
  });

  test("matrices of different bits or blocks are refused", () => {
    const parts = [example("Q4_1", 3, 4).matrix, example("Q4_1", 3, 8).matrix];
    expect(() => stack(parts)).toThrow(new RangeError("matrices of 4 and 8 bits cannot be stacked"));
    const rounding = new Rounding(8, 3, COLS, 64);
    rounding.add(new Float32Array(3 * COLS), 0);
    expect(() => stack([parts[1]!, rounding.matrix(8)])).toThrow(
      new RangeError("matrices with different block sizes cannot be stacked"),
    );
  });
});
