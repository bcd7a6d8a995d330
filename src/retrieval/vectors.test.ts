import { expect, test } from "vitest";
import { seededRandom } from "../util/random.ts";
import { byScore } from "./top.ts";
import { VectorTable } from "./vectors.ts";

const random = seededRandom(1);
const vector = (width: number) => Float32Array.from({ length: width }, () => random() - 0.5);

test.each([1, 3, 4, 50])("the nearest of 3,000 vectors of %i numbers are those of sorting all", (width) => {
  const table = new VectorTable(width);
  const all = Array.from({ length: 3000 }, () => vector(width));
  for (const [i, each] of all.entries()) table.add(2 * i, each);
  const query = vector(width);
  const sorted = all
    .map((each, i) => ({ chunk: 2 * i, score: each.reduce((sum, value, at) => sum + value * query[at]!, 0) }))
    .sort(byScore)
    .slice(0, 20);
  const hits = table.nearest(query, 20);
  expect(hits.map(({ chunk }) => chunk)).toEqual(sorted.map(({ chunk }) => chunk));
  for (const [i, { score }] of hits.entries()) expect(score).toBeCloseTo(sorted[i]!.score, 6);
  expect([table.count, table.last]).toEqual([3000, 5998]);
});

test("equals come in the order of chunks; fewer than asked for are all", () => {
  const table = new VectorTable(2);
  for (const chunk of [3, 5, 9]) table.add(chunk, Float32Array.of(1, 0));
  expect(table.nearest(Float32Array.of(1, 0), 2).map(({ chunk }) => chunk)).toEqual([3, 5]);
  expect(table.nearest(Float32Array.of(1, 0), 10)).toHaveLength(3);
  expect(new VectorTable(2).nearest(Float32Array.of(1, 0), 5)).toEqual([]);
});
