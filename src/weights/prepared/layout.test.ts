import { describe, expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { dequantize, type GgmlType, toKernelMatrix } from "../gguf/index.ts";
import { finiteBlocks } from "../gguf/testing.ts";
import { GGML_TYPES } from "../gguf/types.ts";
import { expectWeights, weightsOf } from "./layout.testing.ts";
import { fromMinimum, stack } from "./layout.ts";

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

  test.each(odd)("%s", (_, scale, min) => {
    const block = codes();
    const expected = Float32Array.from(block, (code) => scale * code + min);
    const [scales, mins] = [Float32Array.of(scale), Float32Array.of(min)];
    const matrix = fromMinimum({ rows: 1, block: 32, bits: 4, codes: block, scale: scales, min: mins });
    expectWeights(weightsOf(matrix), expected, 32, 1e-6);
  });

  test("the residual is at most half a step of the 256 where the minimum is among the codes", () => {
    const [scale, min] = [Float32Array.of(0.5, 0.5), Float32Array.of(-3.3, 0)];
    const matrix = fromMinimum({ rows: 1, block: 16, bits: 4, codes: codes(), scale, min });
    for (const [i, residual] of matrix.residual!.entries())
      expect(Math.abs(residual)).toBeLessThanOrEqual(matrix.scale[i]! / 2);
    expect([...matrix.zero]).toEqual([106, 0]);
  });
});

describe("stacking", () => {
  const COLS = 512;
  const example = (type: GgmlType, rows: number) => {
    const bytes = finiteBlocks(type, (rows * COLS) / GGML_TYPES[type].block, seededRandom(rows));
    return { matrix: toKernelMatrix(type, bytes, rows, COLS), weights: dequantize(type, bytes, rows * COLS) };
  };

  test.each<[string, GgmlType[], block: number, residual: boolean]>([
    ["one alone", ["Q6_K"], 16, false],
    ["alike, without residual", ["Q5_0", "Q5_0"], 32, false],
    ["alike, with residual", ["Q4_1", "Q4_1", "Q4_1"], 32, true],
    ["a part without residual counts as zero", ["Q4_K", "Q8_0"], 32, true],
    ["blocks of 32 beside blocks of 16", ["Q5_0", "Q5_0", "Q6_K"], 16, false],
    ["blocks of 32 with residual beside blocks of 16 without", ["Q4_K", "Q6_K"], 16, true],
    ["blocks of 16 with residual beside blocks of 32 with and without", ["Q2_K", "Q5_1", "Q4_0"], 16, true],
  ])("%s", (_, types, block, residual) => {
    const parts = types.map((type, i) => example(type, 3 + 2 * i));
    const stacked = stack(parts.map((p) => p.matrix));
    expect(stacked.rows).toBe(parts.reduce((sum, p) => sum + p.matrix.rows, 0));
    expect([stacked.block, stacked.residual !== undefined]).toEqual([block, residual]);
    const expected = Float32Array.from(parts.flatMap((p) => [...p.weights]));
    expectWeights(weightsOf(stacked), expected, 32, 1e-6);
  });
});
