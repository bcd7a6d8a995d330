import { expect, test } from "vitest";
import { Axes } from "./axes.ts";
import { promptOfSpans } from "./spans.ts";

const image = (rows: number, columns: number, contentHash: string) => ({
  embeddings: new Float32Array(rows * columns * 2),
  contentHash,
  grid: [rows, columns] as const,
});

test("texts count on on all axes, images stand still in time, and what follows comes after their longer side", () => {
  const wide = image(2, 3, "axes wide");
  const { prompt } = promptOfSpans([[5, 6], wide, [7], image(2, 1, "axes high"), wide, [8]], 2);
  const all = new Axes(prompt).at(Array.from({ length: prompt.length + 2 }, (_, i) => i));
  expect(all.positions).toEqual([0, 1, 2, 2, 2, 2, 2, 2, 5, 6, 6, 8, 8, 8, 8, 8, 8, 11, 12, 13]);
  expect(all.height).toEqual([0, 1, 2, 2, 2, 3, 3, 3, 5, 6, 7, 8, 8, 8, 9, 9, 9, 11, 12, 13]);
  expect(all.width).toEqual([0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 6, 8, 9, 10, 8, 9, 10, 11, 12, 13]);
});

test("rows without a grid count as a text's", () => {
  const { grid: _, ...rows } = image(2, 1, "axes without a grid");
  const { prompt } = promptOfSpans([[5], rows, [6]], 2);
  const places = prompt.map((_, i) => i);
  expect(new Axes(prompt).at(places)).toEqual({ positions: places, height: places, width: places });
});
