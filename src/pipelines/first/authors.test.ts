/** Compares with rank_llm, which the authors of FIRST's reproduction maintain. */
import { expect, test } from "vitest";
import { authorsFixture, numbers } from "../../util/authors.testing.ts";
import { byScore, repaired, written } from "./order.ts";
import { windowsOf } from "./windows.ts";

interface Windows {
  count: number;
  stride: number;
  windowSize: number;
  rankStart: number;
  rankEnd: number;
  windows: [number, number][];
}
interface Fixture {
  orders: { seed: number; count: number; ranking: string }[];
  repairs: { text: string; count: number; order: number[] }[];
  unclosed: { text: string; count: number; order: number[] };
  windows: Windows[];
}
const fixture = authorsFixture<Fixture>("authors.json", import.meta.url);

test.each(fixture.orders)("$count letters are ranked by their scores", ({ seed, count, ranking }) => {
  expect(byScore([...numbers(seed, 26).subarray(0, count)])).toEqual(written(ranking));
});

test.each(fixture.repairs)("$text of $count is repaired in the same way", ({ text, count, order }) => {
  expect(repaired(written(text), count)).toEqual(order);
});

test("a letter whose bracket is not closed: rank_llm accepts it, and we do not", () => {
  const { text, count, order } = fixture.unclosed;
  expect(order).toEqual([3, 2, 0, 1]);
  expect(repaired(written(text), count)).toEqual([3, 0, 1, 2]);
});

test.each(fixture.windows)("windows of $windowSize over $count, stride $stride", ({ count, windows, ...places }) => {
  expect(windowsOf(count, { ...places, numPasses: 1 })).toEqual(windows);
});
