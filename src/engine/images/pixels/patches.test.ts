import path from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { patchesOf, patchSized, readPatchProcessor } from "./patches.ts";
import { fixtures } from "./pictures.testing.ts";

const folder = path.join(fixtures, "qwen2-vl");
const sizes = { patchSize: 4, merge: 2, frames: 2 };
const processor = readPatchProcessor(folder, sizes);
const blank = (width: number, height: number) => ({ width, height, data: new Uint8Array(width * height * 3) });

/** Compared with transformers' `smart_resize`: factor 8, min_pixels 256, max_pixels 896. */
describe("a picture's sides in whole squares of patches", () => {
  test.each([
    [91, 50, 40, 16],
    [20, 11, 24, 16],
    [1, 1, 16, 16],
    [12, 28, 16, 32],
    [3000, 15, 416, 8],
  ])("%i × %i", async (width, height, wide, high) => {
    expect(await patchSized(blank(width, height), processor)).toMatchObject({ width: wide, height: high });
  });
});

test("a square's patches lie side by side, with their rows and columns", () => {
  const { rows, columns, grid } = patchesOf(blank(16, 8), processor);
  expect(grid).toEqual([1, 2]);
  expect([...rows]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
  expect([...columns]).toEqual([0, 1, 0, 1, 2, 3, 2, 3]);
});

test("a picture with sides of too great a ratio, and other patches than the model's, are refused", async () => {
  await expect(patchSized(blank(3000, 10), processor)).rejects.toThrow(UserError);
  await expect(patchSized(blank(3000, 10), processor)).rejects.toThrow(
    "an image is 3000 × 10 pixels; expected an aspect ratio",
  );
  const other = () => readPatchProcessor(folder, { ...sizes, patchSize: 14 });
  expect(other).toThrow("the patchSize of images is 4, expected the model's 14");
});
