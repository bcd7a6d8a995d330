import { describe, expect, test } from "vitest";
import { Rig } from "./block-sparse/kernels.testing.ts";
import * as masks from "./block-sparse/masks.testing.ts";
import { blockScores, type Head, randomHead } from "./block-sparse/oracle.testing.ts";
import {
  blockDiagonal,
  blockSize,
  column,
  lastAttention,
  length,
  plant,
  request,
} from "./block-sparse/planted.testing.ts";
import { flexPrefillChooser, flexPrefillMask, flexPrefillOptions, jensenShannonDistance } from "./flexprefill.ts";

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
    const retained = [...always.indices].length;
    const pooled = pooledOf(head);
    let covered = 0;
    for (let row = 0; row < 40; row++) for (const block of always.row(0, row)) covered += pooled[row * 40 + block]!;
    expect(covered).toBeGreaterThanOrEqual(0.9 * 40);
    expect(retained).toBeLessThan(820);
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

  /** A pooled map with equal mass in every causal block of a row. */
  function uniformMap(): Float64Array {
    return Float64Array.from({ length: 1600 }, (_, i) =>
      i % 40 <= Math.floor(i / 40) ? 1 / (Math.floor(i / 40) + 1) : 0,
    );
  }
});

describe.each(masks.chunks)("a chunk, %d before, %d tokens", (past, tokens) => {
  test.each([0.01, 0.9])("the mask of exact scores, heads trusted below %d", async (tau) => {
    using rig = await Rig.create(masks);
    const { blockSize } = masks;
    const options = flexPrefillOptions.parse({ blockSize, gamma: 0.6, tau });
    using chooser = await flexPrefillChooser(options, rig.limits);
    const scoring = { select: "mean-pool", stride: 1, blockSize } as const;
    const pooled = masks.flat(past, tokens, (head) => blockScores(head, scoring).scores);
    const request = masks.requestOf(past, tokens);
    const last = masks.lastOf(past, tokens, blockSize);
    const expected = flexPrefillMask(request, { last, pooled, cols: request.cols }, options);
    const mask = await masks.maskOf(rig, chooser, [past, tokens]);
    expect(masks.drawn(mask)).toEqual(masks.drawn(expected));
    expect(mask.density()).toBeLessThan(1);
  });
});
