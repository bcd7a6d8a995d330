import { expect, test } from "vitest";
import { BOX_NUMBERS, boxCells, boxNumbers, cellOrder } from "./localiser.ts";

test("cells lie patch by patch, and in a patch row by row", () => {
  expect([...cellOrder(4, 2)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
});

test("a box covers cells by its area", () => {
  const rows = (box: number[]) => {
    const covered = boxCells(box, 4, 2);
    const order = cellOrder(4, 2);
    const grid = new Float32Array(16);
    for (const [i, at] of order.entries()) grid[at] = (covered[i]! + 1) / 2;
    return [...grid];
  };
  expect(rows([0, 0, 1, 1])).toEqual(Array(16).fill(1));
  expect(rows([0.25, 0.5, 0.75, 1])).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0]);
  expect(rows([0, 0, 0.375, 0.125]).slice(0, 4)).toEqual([0.5, 0.25, 0, 0]);
});

test("a box is told by its edges and their waves", () => {
  const numbers = boxNumbers([0, 0.25, 0.5, 1]);
  expect(numbers).toHaveLength(BOX_NUMBERS);
  expect([numbers[0], numbers[11], numbers[22], numbers[33]]).toEqual([-1, -0.5, 0, 1]);
  expect(numbers[1]).toBeCloseTo(0);
  expect(numbers[2]).toBeCloseTo(1);
});
