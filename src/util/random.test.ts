import { expect, test } from "vitest";
import { seededRandom, shuffle } from "./random.ts";

const draw = (seed: number, count: number) => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, random);
};

test("the same seed gives the same numbers, another seed others", () => {
  expect(draw(7, 20)).toEqual(draw(7, 20));
  expect(draw(7, 20)).not.toEqual(draw(8, 20));
});

test("numbers are in [0, 1) and spread evenly", () => {
  const tenths = new Array<number>(10).fill(0);
  for (const x of draw(1, 20_000)) tenths[Math.floor(x * 10)]!++;
  expect(tenths.reduce((a, b) => a + b)).toBe(20_000);
  for (const count of tenths) expect(Math.abs(count - 2000)).toBeLessThan(200);
});

test("shuffle keeps every item and reaches every order", () => {
  const random = seededRandom(3);
  const orders = new Set<string>();
  for (let i = 0; i < 200; i++) orders.add(shuffle([0, 1, 2], random).join(""));
  expect([...orders].sort()).toEqual(["012", "021", "102", "120", "201", "210"]);
  expect(
    shuffle(Int32Array.from([5, 6, 7, 8]), random)
      .slice()
      .sort(),
  ).toEqual(Int32Array.from([5, 6, 7, 8]));
});
