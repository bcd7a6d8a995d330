import { describe, expect, test } from "vitest";
import type { CodeBits } from "../../graph/index.ts";
import { seededRandom } from "../../util/random.ts";
import { finiteBlocks } from "../gguf/gguf.testing.ts";
import { dequantize, type GgmlType, type KernelForm, kernelForm, toKernelMatrix } from "../gguf/index.ts";
import { GGML_TYPES } from "../gguf/types.ts";
import { expectWeights, weightsOf } from "./layout.testing.ts";
import { fromMinimum, stack } from "./layout.ts";
import { stackedForm } from "./quant.ts";

describe("a minimum", () => {
  const random = seededRandom(5);
  const codes = () => Uint8Array.from({ length: 32 }, () => 16 * random());
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
      const matrix = fromMinimum(bits, { rows: 1, block: 32, codeBits: 4, codes: block, scale: scales, min: mins });
      expectWeights(weightsOf(matrix), expected, 32, 1e-6);
    },
  );

  test.each<[CodeBits, number[]]>([
    [8, [106, 16, 0]],
    // 7 in the low half and 1 in the high one; the row's last byte is half full.
    [4, [0x17, 0]],
  ])("in %i bits the residual is at most half a step where the minimum is among the codes", (bits, zero) => {
    const [scale, min] = [Float32Array.of(0.5, 0.5, 0.5), Float32Array.of(-3.3, -0.5, 0)];
    const long = Uint8Array.from([...codes(), ...codes(), ...codes()]);
    const matrix = fromMinimum(bits, { rows: 1, block: 32, codeBits: 4, codes: long, scale, min });
    for (const [i, residual] of matrix.residual!.entries())
      expect(Math.abs(residual)).toBeLessThanOrEqual(matrix.scale[i]! / 2);
    expect([...matrix.zero]).toEqual(zero);
  });
});

describe("stacking", () => {
  const COLS = 512;
  const example = (type: GgmlType, rows: number, bits: CodeBits, cols = COLS) => {
    const bytes = finiteBlocks(type, (rows * cols) / GGML_TYPES[type].block, seededRandom(rows));
    return { matrix: toKernelMatrix(type, bytes, [rows, cols], bits), weights: dequantize(type, bytes, rows * cols) };
  };

  test.each<[string, GgmlType[], KernelForm]>([
    ["one alone", ["Q6_K"], { bits: 8, block: 16, residual: false }],
    ["alike, without residual", ["Q5_0", "Q5_0"], { bits: 8, block: 32, residual: false }],
    ["alike, with residual", ["Q4_1", "Q4_1", "Q4_1"], { bits: 4, block: 32, residual: true }],
    ["4 bits, with and without residual", ["Q4_0", "Q4_K"], { bits: 4, block: 32, residual: true }],
    ["4 bits, without residual", ["Q4_0", "Q4_0"], { bits: 4, block: 32, residual: false }],
    ["a part without residual counts as zero", ["Q4_K", "Q8_0"], { bits: 8, block: 32, residual: true }],
    ["4 bits beside 8", ["Q4_0", "IQ4_NL"], { bits: 8, block: 32, residual: false }],
    ["blocks of 32 beside blocks of 16", ["Q5_0", "Q5_0", "Q6_K"], { bits: 8, block: 16, residual: false }],
    ["blocks of 32 with residual beside 16 without", ["Q4_K", "Q6_K"], { bits: 8, block: 16, residual: true }],
    ["16 with residual beside 32 with and without", ["Q2_K", "Q5_1", "Q4_0"], { bits: 8, block: 16, residual: true }],
  ])("%s", (_, types, expectedForm) => {
    const form = stackedForm(types.map((type) => ({ kind: "blocks", ...kernelForm(type)! })));
    expect(form).toEqual({ kind: "blocks", ...expectedForm });
    if (form.kind !== "blocks") throw new Error("blocks were to stay blocks");
    const parts = types.map((type, i) => example(type, 3 + 2 * i, form.bits));
    const stacked = stack(parts.map((p) => p.matrix));
    expect(stacked.rows).toBe(parts.reduce((sum, p) => sum + p.matrix.rows, 0));
    const { bits, block, residual } = stacked;
    expect({ bits, block, residual: residual !== undefined }).toEqual(expectedForm);
    const expected = Float32Array.from(parts.flatMap((p) => [...p.weights]));
    expectWeights(weightsOf(stacked), expected, 32, 1e-6);
  });

  test("rows of an odd number of 4-bit blocks", () => {
    const parts = [example("Q4_1", 3, 4, 96), example("Q4_0", 5, 4, 96)];
    const expected = Float32Array.from(parts.flatMap((p) => [...p.weights]));
    expectWeights(weightsOf(stack(parts.map((p) => p.matrix))), expected, 32, 1e-6);
  });

  test("matrices of different bits are refused", () => {
    const parts = [example("Q4_1", 3, 4).matrix, example("Q4_1", 3, 8).matrix];
    expect(() => stack(parts)).toThrow(new RangeError("matrices of 4 and of 8 bits do not stack"));
  });
});
