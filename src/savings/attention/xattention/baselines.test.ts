import { describe, expect, test } from "vitest";
import { flexPrefillMask, jensenShannonDistance, minferenceMask, triShapeMask } from "./baselines.ts";
import { BlockMask } from "./block-mask.ts";
import { blockScores, type Head, keysOf, probabilities, randomHead } from "./oracle.testing.ts";
import type { LastAttention } from "./vertical-slash.ts";

const blockSize = 16;
const length = 16 * 40;
const request = { heads: 1, rows: 40, rowOffset: 0 };

/** Exact attention of a head's last queries, zero where masked. */
function lastAttention(head: Head, queries: number): LastAttention {
  const keys = keysOf(head);
  const rows = probabilities(head).slice(-queries);
  return {
    probabilities: Float32Array.from(rows.flatMap((row) => [...row, ...new Array(keys - row.length).fill(0)])),
    queries,
    keys,
  };
}

/** Random head whose queries all point at the keys `targets(position)`. */
function plant(seed: number, strength: number, targets: (position: number) => number[], size = length): Head {
  const head = randomHead(seed, size, 32);
  for (let i = 0; i < size; i++)
    for (const key of targets(i))
      if (key >= 0 && key <= i) for (let x = 0; x < 32; x++) head.q[i * 32 + x]! += strength * head.k[key * 32 + x]!;
  return head;
}

const column = (mask: BlockMask, block: number, head = 0) =>
  Array.from({ length: mask.rows }, (_, row) => row)
    .filter((row) => mask.rowOffset + row >= block)
    .every((row) => mask.has(head, row, block));

const blockDiagonal = (mask: BlockMask, distance: number, head = 0) =>
  Array.from({ length: mask.rows }, (_, row) => row)
    .filter((row) => mask.rowOffset + row >= distance)
    .every((row) => mask.has(head, row, mask.rowOffset + row - distance));

describe("tri-shape", () => {
  test.each([
    [16, 1],
    [17, 2],
    [40, 33],
    [1, 160],
    [0, 1],
  ])("sink %d, window %d: exactly the blocks that hold a kept token", (sinkTokens, windowTokens) => {
    const mask = triShapeMask({ heads: 2, rows: 12, rowOffset: 5 }, { blockSize, sinkTokens, windowTokens });
    for (let row = 0; row < 12; row++)
      for (let block = 0; block <= row + 5; block++) {
        let holds = false;
        for (let query = (row + 5) * blockSize; query < (row + 6) * blockSize; query++)
          for (let key = block * blockSize; key <= Math.min(query, (block + 1) * blockSize - 1); key++)
            holds ||= key < sinkTokens || query - key < windowTokens;
        for (const head of [0, 1]) expect(mask.has(head, row, block), `row ${row} block ${block}`).toBe(holds);
      }
  });

  test("the third side: the last rows are dense", () => {
    const mask = triShapeMask({ ...request, denseFrom: 38 }, { blockSize, sinkTokens: 16, windowTokens: 32 });
    expect([37, 38, 39].map((row) => mask.row(0, row).length)).toEqual([4, 39, 40]);
  });
});

describe("MInference's vertical-slash", () => {
  const options = { blockSize, budget: 0.3, verticalShare: 0.2 };
  const maskOf = (head: Head) => minferenceMask(request, lastAttention(head, 64), options);

  test("finds a heavy column and a heavy distance", () => {
    expect(column(maskOf(plant(1, 2, () => [300])), Math.floor(300 / blockSize))).toBe(true);
    expect(blockDiagonal(maskOf(plant(2, 2, (i) => [i - 320])), 20)).toBe(true);
  });

  test("keeps the first 30 keys and the last 100 distances whatever their mass", () => {
    const mask = maskOf(plant(3, 3, (i) => [300, i - 320]));
    for (const block of [0, 1]) expect(column(mask, block)).toBe(true);
    for (let distance = 0; distance <= 7; distance++) expect(blockDiagonal(mask, distance)).toBe(true);
    expect(BlockMask.from(request, (_, row, block) => row - block <= 7 || block < 2).blocks()).toBeLessThan(
      mask.blocks(),
    );
  });

  test("the last row holds the budget and no more", () => {
    // 640 keys: 192 to spend, 38 on columns (3 blocks), 153 on diagonals (10 blocks).
    const mask = maskOf(randomHead(4, length, 32));
    expect(mask.row(0, 39).length).toBeLessThanOrEqual(13);
    expect(mask.row(0, 39).length).toBeGreaterThanOrEqual(10);
    const columns = Array.from({ length: 40 }, (_, block) => block).filter(
      (block) => block < 30 && column(mask, block),
    );
    expect(columns).toHaveLength(3);
  });

  test("heads differ, and a chunk's rows are the whole prompt's", () => {
    const heads = [plant(5, 2, () => [200]), plant(6, 2, () => [500])].map((head) => lastAttention(head, 64));
    const both = {
      ...heads[0]!,
      probabilities: Float32Array.from(heads.flatMap((head) => [...head.probabilities])),
    };
    const mask = minferenceMask({ ...request, heads: 2 }, both, options);
    expect([0, 1].map((head) => column(mask, Math.floor(200 / 16), head))).toEqual([true, false]);
    expect([0, 1].map((head) => column(mask, Math.floor(500 / 16), head))).toEqual([false, true]);
    const chunk = minferenceMask({ heads: 2, rows: 10, rowOffset: 30 }, both, options);
    for (let row = 0; row < 10; row++) expect(chunk.row(1, row)).toEqual(mask.row(1, row + 30));
  });
});

describe("Jensen-Shannon distance", () => {
  test("by hand, with zeros", () => {
    expect(jensenShannonDistance([1, 0], [0, 1])).toBeCloseTo(Math.sqrt(Math.log(2)), 12);
    expect(jensenShannonDistance([0.5, 0.5], [0.5, 0.5])).toBe(0);
    const half = 0.5 * Math.log(1 / 0.75) + 0.5 * (0.5 * Math.log(0.5 / 0.75) + 0.5 * Math.log(0.5 / 0.25));
    expect(jensenShannonDistance([1, 0], [0.5, 0.5])).toBeCloseTo(Math.sqrt(half), 12);
  });

  test("is symmetric", () => {
    const [p, q] = [
      [0.7, 0.2, 0.1],
      [0.1, 0.1, 0.8],
    ] as const;
    expect(jensenShannonDistance(p, q)).toBeCloseTo(jensenShannonDistance(q, p), 14);
  });
});

describe("FlexPrefill", () => {
  const options = { blockSize, gamma: 0.9, tau: 0.1 };
  const pooledOf = (head: Head) => blockScores(head, { select: "mean-pool", stride: 1, blockSize }).scores;
  const statistics = (head: Head) => ({ last: lastAttention(head, blockSize), pooled: pooledOf(head), cols: 40 });

  test("a head whose pooled map misleads falls back on columns and diagonals", () => {
    const head = plant(7, 4, (i) => [i - 320]);
    const pooledFlat = { ...statistics(head), pooled: uniformMap() };
    const mask = flexPrefillMask(request, pooledFlat, options);
    expect(blockDiagonal(mask, 20)).toBe(true);
    expect(column(mask, 0) && blockDiagonal(mask, 0)).toBe(true);
    expect(mask.density()).toBeLessThan(0.5);
  });

  test("a head whose pooled map is right keeps the fewest blocks that cover gamma of it", () => {
    const pooled = uniformMap();
    for (let row = 0; row < 40; row++)
      for (let block = 0; block <= row; block++)
        pooled[row * 40 + block] = block === 5 && row > 20 ? 0.9 : 0.1 / (row + 1);
    const last = { queries: 1, keys: length, probabilities: new Float64Array(length) };
    for (let key = 0; key < length; key++) last.probabilities[key] = pooled[39 * 40 + Math.floor(key / 16)]! / 16;
    const mask = flexPrefillMask(request, { last, pooled, cols: 40 }, { ...options, gamma: 0.8 });
    for (let row = 21; row < 40; row++) expect([...mask.row(0, row)]).toEqual([...new Set([0, 5, row])]);
  });

  test("tau decides: 0 never trusts the pooled map, 1 always", () => {
    const head = randomHead(9, length, 32);
    const never = flexPrefillMask(request, statistics(head), { ...options, tau: 0 });
    const always = flexPrefillMask(request, statistics(head), { ...options, tau: 1 });
    expect(never.indices).not.toEqual(always.indices);
    const kept = [...always.indices].length;
    const pooled = pooledOf(head);
    let covered = 0;
    for (let row = 0; row < 40; row++) for (const block of always.row(0, row)) covered += pooled[row * 40 + block]!;
    expect(covered).toBeGreaterThanOrEqual(0.9 * 40);
    expect(kept).toBeLessThan(820);
  });

  test("more coverage keeps more", () => {
    const head = randomHead(10, length, 32);
    for (const tau of [0, 1]) {
      const blocks = [0.5, 0.8, 0.95].map((gamma) =>
        flexPrefillMask(request, statistics(head), { blockSize, gamma, tau }).blocks(),
      );
      expect(blocks).toEqual([...blocks].sort((a, b) => a - b));
      expect(blocks[0]).toBeLessThan(blocks[2]!);
    }
  });

  /** Every causal block of a row alike. */
  function uniformMap(): Float64Array {
    return Float64Array.from({ length: 1600 }, (_, i) =>
      i % 40 <= Math.floor(i / 40) ? 1 / (Math.floor(i / 40) + 1) : 0,
    );
  }
});
