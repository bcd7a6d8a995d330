import { expect, test } from "vitest";
import { seededRandom } from "../util/random.ts";
import { byScore } from "./top.ts";
import { VectorTable } from "./vectors.ts";

const random = seededRandom(1);
const vector = (width: number) => Float32Array.from({ length: width }, () => random() - 0.5);

test.each([1, 3, 4, 20])("the nearest of 40,000 vectors of %i numbers equal a full sort's", async (width) => {
  using table = await VectorTable.open(width);
  const all = Array.from({ length: 40_000 }, () => vector(width));
  for (const [i, each] of all.entries()) table.add(2 * i, each);
  const query = vector(width);
  const sorted = all
    .map((each, i) => ({ chunk: 2 * i, score: each.reduce((sum, value, at) => sum + value * query[at]!, 0) }))
    .sort(byScore)
    .slice(0, 20);
  const hits = await table.nearest(query, 20);
  expect(hits.map(({ chunk }) => chunk)).toEqual(sorted.map(({ chunk }) => chunk));
  for (const [i, { score }] of hits.entries()) expect(score).toBe(sorted[i]!.score);
  expect([table.count, table.last]).toEqual([40_000, 79_998]);
});

test("equal scores keep the order of chunks; a small index returns fewer than requested", async () => {
  using table = await VectorTable.open(2);
  for (const chunk of [3, 5, 9]) table.add(chunk, Float32Array.of(1, 0));
  const nearest = async (top: number) => (await table.nearest(Float32Array.of(1, 0), top)).map(({ chunk }) => chunk);
  expect(await nearest(2)).toEqual([3, 5]);
  expect(await nearest(10)).toEqual([3, 5, 9]);
  using empty = await VectorTable.open(2);
  expect(await empty.nearest(Float32Array.of(1, 0), 5)).toEqual([]);
});

test("concurrent queries do not disturb each other, nor do additions or disposal meanwhile", async () => {
  const table = await VectorTable.open(50);
  for (let chunk = 0; chunk < 9000; chunk++) table.add(chunk, vector(50));
  const queries = Array.from({ length: 4 }, () => vector(50));
  const alone = [];
  for (const query of queries) alone.push(await table.nearest(query, 5));
  const together = queries.map((query) => table.nearest(query, 5));
  table.add(9000, new Float32Array(50));
  table[Symbol.dispose]();
  expect(await Promise.all(together)).toEqual(alone);
});
