import { expect, test } from "vitest";
import { seededRandom, shuffle, xoshiro128 } from "./random.ts";

const take = (next: () => number, count: number): number[] => Array.from({ length: count }, next);

test("xoshiro128** gives the numbers of the published C code", () => {
  expect(take(xoshiro128(Uint32Array.of(1, 2, 3, 4)), 8)).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849,
  ]);
  expect(take(xoshiro128(Uint32Array.of(0x12345678, 0x9abcdef0, 0xfedcba98, 7)), 8)).toEqual([
    2576881682, 1717987679, 2592745964, 1632234727, 3778294657, 1569772156, 2412348945, 3190602330,
  ]);
});

test("a seed names its sequence; all 53 bits of it count", () => {
  const seeds = [0, 1, 2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 1, -1, -(2 ** 40)];
  const sequences = seeds.map((seed) => take(seededRandom(seed), 5).join());
  expect(new Set(sequences).size).toBe(seeds.length);
  expect(seeds.map((seed) => take(seededRandom(seed), 5).join())).toEqual(sequences);
});

test("numbers lie in [0, 1), evenly, and use more than 32 bits", () => {
  const numbers = take(seededRandom(7), 100_000);
  expect(numbers.every((u) => u >= 0 && u < 1)).toBe(true);
  expect(numbers.some((u) => !Number.isInteger(u * 2 ** 32))).toBe(true);
  const tenths = new Array<number>(10).fill(0);
  for (const u of numbers) tenths[Math.floor(u * 10)]!++;
  // Chi-square with 9 degrees of freedom: chance exceeds 27.9 once in a thousand runs.
  expect(tenths.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0)).toBeLessThan(27.9);
});

test("first numbers of neighbouring seeds are unrelated", () => {
  const firsts = Array.from({ length: 10_000 }, (_, seed) => seededRandom(seed)());
  const mean = firsts.reduce((a, b) => a + b) / firsts.length;
  const covariance = firsts.slice(1).reduce((sum, u, i) => sum + (u - mean) * (firsts[i]! - mean), 0) / firsts.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.01);
  expect(Math.abs(covariance * 12)).toBeLessThan(0.04);
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
