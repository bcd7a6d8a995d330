import { describe, expect, test } from "vitest";
import { BlockMask } from "./block-sparse/block-mask.ts";
import { Rig } from "./block-sparse/kernels.testing.ts";
import * as masks from "./block-sparse/masks.testing.ts";
import { type Head, randomHead } from "./block-sparse/oracle.testing.ts";
import {
  blockDiagonal,
  blockSize,
  column,
  lastAttention,
  length,
  plant,
  request,
} from "./block-sparse/planted.testing.ts";
import { minferenceChooser, minferenceMask, minferenceOptions } from "./minference.ts";

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
    // 640 keys: a budget of 192, 38 for columns (3 blocks), 153 for diagonals (10 blocks).
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

test.each(masks.chunks)("a chunk, %d before, %d tokens: the mask of exact probabilities", async (past, tokens) => {
  using rig = await Rig.create(masks);
  const { blockSize } = masks;
  const options = minferenceOptions.parse({ blockSize, lastQueries: 48, budget: 0.2 });
  using chooser = await minferenceChooser(options, rig.limits);
  const expected = minferenceMask(masks.requestOf(past, tokens), masks.lastOf(past, tokens, 48), options);
  const mask = await masks.maskOf(rig, chooser, [past, tokens]);
  expect(masks.drawn(mask)).toEqual(masks.drawn(expected));
  expect(mask.density()).toBeLessThan(1);
});
