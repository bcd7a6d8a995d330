import path from "node:path";
import { expect, test } from "vitest";
import { UserError } from "../../../util/errors.ts";
import { fittedTiles, readFittedProcessor } from "../../images/pixels/fitted-tiles.ts";
import { fixtures } from "../../images/pixels/pictures.testing.ts";
import { joinedTiles } from "./joined-tiles.ts";

/** transformers' results are in vision-parity.test.ts. */
const folder = path.join(fixtures, "llava-next");
const processor = readFittedProcessor(folder, 24);
const picture = (width: number, height: number, value: number) => ({
  ...{ width, height },
  data: new Uint8Array(width * height * 3).fill(value),
});

/** Two adjacent tiles, each of 2 × 2 rows of one number. */
const tiles = [0, 1].map((tile) => ({
  embeddings: Float32Array.from({ length: 4 }, (_, i) => 10 * tile + i),
  contentHash: String(tile),
}));
const grid = (height: number, width: number) => ({
  ...{ rows: 1, columns: 2, side: 2, lineEnd: Float32Array.of(-1) },
  original: [height, width] as const,
});

test("tiles side by side are one picture, each line with its end", () => {
  const joined = joinedTiles(tiles, grid(50, 100))!;
  expect(joined.grid).toEqual([2, 5]);
  expect([...joined.embeddings]).toEqual([0, 1, 10, 11, -1, 2, 3, 12, 13, -1]);
});

test("padding is left out on both sides; an image that is a line has no rows", () => {
  const square = joinedTiles(tiles, grid(50, 50))!;
  expect([...square.embeddings]).toEqual([1, 10, -1, 3, 12, -1]);
  expect(square.contentHash).not.toBe(joinedTiles(tiles, grid(50, 100))!.contentHash);
  expect(joinedTiles(tiles, grid(1, 3000))).toBeUndefined();
});

test("the size that leaves most pixels, and of equal ones the smallest", async () => {
  const shape = async (width: number, height: number) => {
    const { rows, columns, pictures } = await fittedTiles(picture(width, height, 9), processor);
    expect(pictures).toHaveLength(1 + rows * columns);
    return [rows, columns];
  };
  expect(await shape(10, 10)).toEqual([1, 2]);
  expect(await shape(60, 20)).toEqual([1, 3]);
  expect(await shape(20, 60)).toEqual([3, 1]);
  expect(await shape(90, 90)).toEqual([2, 2]);
});

test("a picture lies in the middle of a black one", async () => {
  const { pictures } = await fittedTiles(picture(24, 24, 9), processor);
  const [, left, right] = pictures;
  expect([...left!.data.subarray(0, 3 * 24)]).toEqual([...Array(36).fill(0), ...Array(36).fill(9)]);
  expect([...right!.data.subarray(0, 3 * 24)]).toEqual([...Array(36).fill(9), ...Array(36).fill(0)]);
});

test("tiles of another size than the model's are refused", () => {
  expect(() => readFittedProcessor(folder, 48)).toThrow(UserError);
  expect(() => readFittedProcessor(folder, 48)).toThrow("tiles are 24 pixels wide, expected the model's 48");
});
