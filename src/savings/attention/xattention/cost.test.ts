import { describe, expect, test } from "vitest";
import { BlockMask } from "../block-sparse/block-mask.ts";
import {
  countedAttentionFlops,
  countedScoringFlops,
  denseAttentionFlops,
  predictedPrefillSpeedup,
  predictedSpeedup,
  scoringFlops,
} from "./cost.testing.ts";

const headDim = 64;
const whole = (length: number) => ({ queries: length, past: 0, headDim });
const rowsOf = (length: number, blockSize: number) => ({ heads: 1, rows: Math.ceil(length / blockSize), rowOffset: 0 });

describe("scoring", () => {
  test.each([4, 8, 16])("stride %d: the count is the closed form within 5 %%, a count of loops exactly", (stride) => {
    const length = 2048;
    let macs = 0;
    for (let i = 0; i < length / stride; i++) for (let j = 0; j <= i; j++) macs += stride * headDim;
    const counted = countedScoringFlops({ ...whole(length), stride });
    expect(counted).toBe(2 * macs);
    expect(Math.abs(macs / ((length ** 2 * headDim) / (2 * stride)) - 1)).toBeLessThan(0.05);
    expect(scoringFlops(length, headDim, stride)).toBe((length ** 2 * headDim) / stride);
  });

  test("is 1/(2S) of dense attention", () => {
    expect(scoringFlops(8192, 64, 8) / denseAttentionFlops(8192, 64)).toBe(1 / 16);
    expect(scoringFlops(8192, 64, 16) / denseAttentionFlops(8192, 64)).toBe(1 / 32);
  });

  test("chunks add up to the whole", () => {
    const chunk = (past: number) => countedScoringFlops({ queries: 512, past, headDim, stride: 8 });
    expect(chunk(0) + chunk(512) + chunk(1024)).toBe(countedScoringFlops({ ...whole(1536), stride: 8 }));
  });
});

describe("attention", () => {
  test.each([0.2, 0.5])("is the density of what dense blocks cost (%d kept)", (share) => {
    const blockSize = 64;
    const mask = BlockMask.from(
      rowsOf(2048, blockSize),
      (_, row, block) => (row * 31 + block * 17) % 100 < share * 100,
    );
    const all = BlockMask.from(rowsOf(2048, blockSize), () => true);
    const shape = { ...whole(2048), blockSize };
    const [sparse, dense] = [mask, all].map((m) => countedAttentionFlops(m, 0, shape)) as [number, number];
    expect(sparse / dense).toBeCloseTo(mask.density(), 12);
    expect(mask.density()).toBeGreaterThan(share / 2);
  });

  test("dense blocks cost the dense closed form and the diagonal blocks' upper halves", () => {
    const [length, blockSize] = [4096, 128];
    const all = BlockMask.from(rowsOf(length, blockSize), () => true);
    const counted = countedAttentionFlops(all, 0, { ...whole(length), blockSize });
    expect(counted).toBe(denseAttentionFlops(length, headDim) + 2 * length * blockSize * headDim);
  });

  test("blocks are cut at the ends of a ragged chunk", () => {
    // Queries 100..149 with blocks of 64: 28 of them in block 1, 22 in block 2; keys 64, 64, 22.
    const mask = BlockMask.from({ heads: 1, rows: 2, rowOffset: 1 }, () => true);
    const counted = countedAttentionFlops(mask, 0, { queries: 50, past: 100, headDim, blockSize: 64 });
    expect(counted).toBe(4 * headDim * (28 * 128 + 22 * 150));
  });
});

describe("predicted gain", () => {
  test("is the paper's bound: 9.6 and 7.6 at 128k", () => {
    expect(predictedSpeedup(0.073, 16)).toBeCloseTo(9.59, 2);
    expect(predictedSpeedup(0.069, 8)).toBeCloseTo(7.6, 1);
  });

  test("scoring alone costs, so dense masks lose", () => {
    expect(predictedSpeedup(1, 8)).toBeLessThan(1);
  });

  test("a prefill gains only on its attention", () => {
    expect(predictedPrefillSpeedup(0.25, 8, 1)).toBeCloseTo(predictedSpeedup(0.25, 8), 12);
    expect(predictedPrefillSpeedup(0.25, 8, 0)).toBe(1);
    expect(predictedPrefillSpeedup(0.25, 8, 0.5)).toBeCloseTo(1 / (0.5 + 0.5 * 0.3125), 12);
  });
});
