/** Checks scores, masks and sparse attention against brute force in float64, without the engine. */
import { describe, expect, test } from "vitest";
import { BlockMask } from "../block-sparse/block-mask.ts";
import {
  type BlockScores,
  blockScores,
  chunkOf,
  denseAttention,
  exactBlockMass,
  type Head,
  randomHead,
  regroupedLogits,
  type ScoringOptions,
  sampledLogits,
  sparseAttention,
} from "../block-sparse/oracle.testing.ts";
import { selectBlocks } from "./select.ts";

const blockSize = 32;
const select = (estimate: BlockScores, threshold: number) =>
  selectBlocks(estimate.scores, {
    ...estimate,
    heads: 1,
    threshold,
    selection: "threshold",
    k: 1,
    ratio: 1,
    forceSink: true,
    forceDiagonal: true,
  });

function expectClose(a: ArrayLike<number>, b: ArrayLike<number>, tolerance = 1e-12): void {
  expect(a.length).toBe(b.length);
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  expect(worst).toBeLessThanOrEqual(tolerance);
}

const patterns = ["antidiagonal", "diagonal", "random"] as const;

describe("the regrouped product is the mean over the sampled entries", () => {
  test.each(patterns.flatMap((pattern) => [4, 8, 16].map((stride) => [pattern, stride] as const)))(
    "%s, stride %d, ragged end and past",
    (pattern, stride) => {
      const options = { select: pattern, stride, blockSize, seed: 3 };
      for (const head of [randomHead(1, 150, 12), chunkOf(randomHead(2, 150, 12), 3 * blockSize + stride, 37)]) {
        const [brute, regrouped] = [sampledLogits(head, options), regroupedLogits(head, options)];
        expect(brute.length).toBe(regrouped.length);
        for (const [i, row] of brute.entries()) expectClose(row, regrouped[i]!);
      }
    },
  );

  test("with the alternating shift too", () => {
    const options = { select: "antidiagonal", stride: 8, blockSize, alternateShift: true } as const;
    const head = randomHead(3, 128, 12);
    for (const [i, row] of sampledLogits(head, options).entries()) expectClose(row, regroupedLogits(head, options)[i]!);
    expect(sampledLogits(head, options)[1]).not.toEqual(sampledLogits(head, { ...options, alternateShift: false })[1]);
  });

  test("patterns are not one another", () => {
    const head = randomHead(4, 64, 12);
    const rows = patterns.map((pattern) => sampledLogits(head, { select: pattern, stride: 8, blockSize })[7]!);
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const)
      expect(Math.max(...rows[a]!.map((z, j) => Math.abs(z - rows[b]![j]!)))).toBeGreaterThan(0.1);
  });
});

describe("block scores", () => {
  test.each(patterns)("%s: full rows sum to the number of groups in a block", (pattern) => {
    const { scores, rows, cols } = blockScores(randomHead(5, 160, 12), { select: pattern, stride: 8, blockSize });
    for (let row = 0; row < rows; row++)
      expect(scores.slice(row * cols, row * cols + cols).reduce((a, b) => a + b)).toBeCloseTo(4, 12);
  });

  test("mean-pool is the product of the blocks' means", () => {
    const head = randomHead(6, 100, 12);
    const { scores, rows, cols } = blockScores(head, { select: "mean-pool", stride: 1, blockSize });
    const mean = (matrix: Float64Array, block: number) => {
      const part = matrix.slice(block * blockSize * 12, (block + 1) * blockSize * 12);
      const count = part.length / 12;
      return Float64Array.from({ length: 12 }, (_, x) => {
        let sum = 0;
        for (let i = 0; i < count; i++) sum += part[i * 12 + x]!;
        return sum / count;
      });
    };
    for (let row = 0; row < rows; row++) {
      const logits = Array.from({ length: row + 1 }, (_, v) => {
        const [q, k] = [mean(head.q, row), mean(head.k, v)];
        return Math.exp(q.reduce((sum, x, i) => sum + x * k[i]!, 0) / Math.sqrt(12));
      });
      const total = logits.reduce((a, b) => a + b);
      expectClose(
        scores.slice(row * cols, row * cols + row + 1),
        logits.map((e) => e / total),
      );
    }
  });

  test.each([96, 100, 20])(
    "stride 1 gives the exact mass of %d tokens, so that a threshold keeps that much",
    (length) => {
      const head = randomHead(7, length, 12);
      const exact = exactBlockMass(head, blockSize);
      const scores = blockScores(head, { select: "antidiagonal", stride: 1, blockSize });
      expectClose(scores.scores, exact.scores);
      for (const threshold of [0.5, 0.7, 0.9, 0.99]) {
        const mask = select(scores, threshold);
        for (let row = 0; row < mask.rows; row++) {
          const mass = exact.scores.subarray(row * exact.cols, row * exact.cols + row + 1);
          const retained = mask.row(0, row).reduce((sum, block) => sum + mass[block]!, 0);
          expect(retained).toBeGreaterThanOrEqual(threshold * mass.reduce((a, b) => a + b) - 1e-9);
        }
      }
    },
  );
});

describe("chunked prefill is one-shot prefill", () => {
  const head = randomHead(8, 9 * blockSize + 13, 12);
  const scorers: ScoringOptions[] = [
    { select: "antidiagonal", stride: 8, blockSize },
    { select: "antidiagonal", stride: 8, blockSize, alternateShift: true },
    { select: "random", stride: 4, blockSize, seed: 5 },
    { select: "mean-pool", stride: 8, blockSize },
  ];

  test.each(scorers)("scores and mask rows: %j", (options) => {
    const oneShot = blockScores(head, options);
    const whole = select(oneShot, 0.8);
    for (const [past, queries] of [
      [0, 64],
      [64, 96],
      [128, head.q.length / 12 - 128],
    ] as const) {
      const part = blockScores(chunkOf(head, past, queries), options);
      const mask = select(part, 0.8);
      for (let row = 0; row < part.rows; row++) {
        const u = row + part.rowOffset;
        const [a, b] = [part.scores.subarray(row * part.cols), oneShot.scores.subarray(u * oneShot.cols)];
        expectClose(a.subarray(0, u + 1), b.subarray(0, u + 1));
        expect(mask.row(0, row)).toEqual(whole.row(0, u));
      }
    }
  });

  test("outputs, with a past that ends inside a block", () => {
    const whole = select(blockScores(head, scorers[0]!), 0.8);
    const output = sparseAttention(head, whole, 0, blockSize);
    for (const past of [0, blockSize, 3 * blockSize + 8]) {
      const rowOffset = Math.floor(past / blockSize);
      const rows = BlockMask.from({ heads: 1, rows: whole.rows - rowOffset, rowOffset }, (_, row, block) =>
        whole.has(0, row + rowOffset, block),
      );
      const chunk = chunkOf(head, past, head.q.length / 12 - past);
      expectClose(sparseAttention(chunk, rows, 0, blockSize), output.slice(past * 12));
    }
  });

  test("a past that ends inside a block scores its rows at absolute block positions", () => {
    const past = 3 * blockSize + 8;
    const part = blockScores(chunkOf(head, past, 64), scorers[0]!);
    expect(part).toMatchObject({ rowOffset: 3, rows: 3, cols: 6 });
    const sums = [0, 1, 2].map((row) => part.scores.slice(row * 6, row * 6 + 6).reduce((a, b) => a + b));
    // 24, 32 and 8 queries are 3, 4 and 1 groups of 8.
    for (const [row, groups] of [3, 4, 1].entries()) expect(sums[row]).toBeCloseTo(groups, 12);
  });
});

describe("sparse attention", () => {
  const naive = (head: Head, keeps: (query: number, key: number) => boolean) => {
    const d = head.headDim;
    const length = head.q.length / d;
    const out = new Float64Array(length * d);
    for (let i = 0; i < length; i++) {
      let total = 0;
      for (let j = 0; j <= i; j++) {
        if (!keeps(i, j)) continue;
        let z = 0;
        for (let x = 0; x < d; x++) z += head.q[i * d + x]! * head.k[j * d + x]!;
        const e = Math.exp(z / Math.sqrt(d));
        total += e;
        for (let x = 0; x < d; x++) out[i * d + x]! += e * head.v[j * d + x]!;
      }
      for (let x = 0; x < d; x++) out[i * d + x]! /= total;
    }
    return out;
  };

  test.each([5, 32, 100])("over an arbitrary mask is dense attention with the mask expanded (%d tokens)", (length) => {
    const head = randomHead(9, length, 12);
    const rows = Math.ceil(length / blockSize);
    const mask = BlockMask.from(
      { heads: 2, rows, rowOffset: 0 },
      (h, u, v) => u === v || (h === 1 && (u + v) % 2 === 0),
    );
    const keeps = (i: number, j: number) => mask.has(1, Math.floor(i / blockSize), Math.floor(j / blockSize));
    expectClose(sparseAttention(head, mask, 1, blockSize), naive(head, keeps));
    expectClose(
      denseAttention(head),
      naive(head, () => true),
    );
  });

  test.each([5, 32, 101])("at threshold 1 it is dense (%d tokens, all strides)", (length) => {
    const head = randomHead(10, length, 12);
    for (const stride of [4, 8, 16]) {
      const mask = select(blockScores(head, { select: "antidiagonal", stride, blockSize }), 1);
      expectClose(sparseAttention(head, mask, 0, blockSize), denseAttention(head));
    }
  });

  test("below it, less is attended to and the output is near", () => {
    const head = randomHead(11, 320, 12);
    const mask = select(blockScores(head, { select: "antidiagonal", stride: 4, blockSize }), 0.5);
    expect(mask.density()).toBeLessThan(0.8);
    const [sparse, dense] = [sparseAttention(head, mask, 0, blockSize), denseAttention(head)];
    expect(sparse).not.toEqual(dense);
  });
});
