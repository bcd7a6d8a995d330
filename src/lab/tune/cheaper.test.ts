import { expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { isCheaper, isSurelyFaster } from "./cheaper.ts";

/** Twelve items of 100 to 1,200 milliseconds, with noise of up to a fifth on both times. */
function measured(share: number, seed: number) {
  const random = seededRandom(seed);
  const noisy = (ms: number) => ms * (0.8 + 0.4 * random());
  return Array.from({ length: 12 }, (_, i) => 100 * (i + 1)).map((ms) => ({
    ...{ dense: noisy(ms), saved: noisy(share * ms) },
  }));
}

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);
const surely = (share: number) => SEEDS.filter((seed) => isSurelyFaster(measured(share, seed))).length / SEEDS.length;

test("noise alone seldom makes a recipe provably faster, and a gain of a fifth usually does", () => {
  expect(surely(1)).toBeLessThan(0.08);
  expect(surely(1.2)).toBe(0);
  expect(surely(0.8)).toBeGreaterThan(0.9);
});

test("a gain on every item of few is not proven, nor is none", () => {
  const pairs = (count: number, saved: number) => Array(count).fill({ saved, dense: 10 });
  expect([0, 1, 5, 6, 12].map((count) => isSurelyFaster(pairs(count, 9)))).toEqual([false, false, false, true, true]);
  expect(isSurelyFaster(pairs(12, 10))).toBe(false);
});

test("items on which a recipe failed do not count", () => {
  const failed = { saved: Number.NaN, dense: Number.NaN };
  const pairs = [...Array(6).fill({ saved: 9, dense: 10 }), failed];
  expect([isSurelyFaster(pairs), isCheaper(pairs)]).toEqual([true, true]);
  expect([isSurelyFaster(pairs.slice(1)), isCheaper([failed])]).toEqual([false, false]);
});

test("counts are compared directly", () => {
  expect(isCheaper([{ saved: 9, dense: 10 }])).toBe(true);
  expect(isCheaper([{ saved: 10, dense: 10 }])).toBe(false);
  // One item gains what another loses.
  expect(
    isCheaper([
      { saved: 9, dense: 10 },
      { saved: 11, dense: 10 },
    ]),
  ).toBe(false);
  expect(isCheaper([])).toBe(false);
});
