import { expect, test } from "vitest";
import { BlockMask } from "./block-mask.ts";

/** A mask for two heads and query blocks 1 to 3: head 0 keeps only its diagonal, head 1 also block 0. */
const shape = { heads: 2, rows: 3, rowOffset: 1 };
const mask = BlockMask.from(shape, (head, row, block) => block === row + 1 || (head === 1 && block === 0));

test("rows are sorted lists of key blocks", () => {
  expect([...mask.offsets]).toEqual([0, 1, 2, 3, 5, 7, 9]);
  expect([...mask.indices]).toEqual([1, 2, 3, 0, 1, 0, 2, 0, 3]);
  expect([...mask.row(1, 2)]).toEqual([0, 3]);
});

test("has answers for every block", () => {
  for (let head = 0; head < 2; head++)
    for (let row = 0; row < 3; row++)
      for (let block = 0; block < 6; block++)
        expect(mask.has(head, row, block)).toBe([...mask.row(head, row)].includes(block));
});

test("density is relative to the causal blocks of the rows present", () => {
  expect(mask.causalBlocks).toBe(2 + 3 + 4);
  expect(mask.blocks()).toBe(9);
  expect(mask.blocks(1)).toBe(6);
  expect(mask.density(0)).toBeCloseTo(3 / 9, 12);
  expect(mask.density()).toBeCloseTo(9 / 18, 12);
  expect(BlockMask.from(shape, () => true).density()).toBe(1);
});

test("a future block is never asked for", () => {
  const calls: number[] = [];
  BlockMask.from({ heads: 1, rows: 2, rowOffset: 3 }, (_, row, block) => calls.push(block - row - 3) > 0);
  expect(Math.max(...calls)).toBe(0);
});

test("rows from denseFrom on are dense", () => {
  const tail = BlockMask.from({ ...shape, denseFrom: 3 }, () => false);
  expect([...tail.indices]).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  expect([0, 1, 2].map((row) => tail.row(0, row).length)).toEqual([0, 0, 4]);
});

test("kept mass is averaged over a head's rows, and absent where nothing was estimated", () => {
  const massMask = new BlockMask(shape, mask.offsets, mask.indices, Float64Array.of(0, 0.5, 1, 1, 1, 1));
  expect(massMask.meanKeptMass(0)).toBe(0.5);
  expect(massMask.meanKeptMass(1)).toBe(1);
  expect(mask.meanKeptMass(0)).toBeUndefined();
});
