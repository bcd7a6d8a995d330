import { expect, test } from "vitest";
import { seededRandom } from "../random.ts";
import { bet, noWealth, type Wealth } from "./wealth.ts";

const RISK = 0.02;
/** 1/δ at a confidence of 0.95. */
const OFF = 20;

/** Items until the wealth reaches 1/δ; Infinity if it never does within `most`. */
function untilOff(random: () => number, rate: number, most: number, from: Wealth = noWealth): number {
  let state = from;
  for (let i = 1; i <= most; i++) {
    state = bet(state, random() < rate ? 1 : 0, "binary", RISK);
    if (state.wealth >= OFF) return i;
  }
  return Number.POSITIVE_INFINITY;
}

function runs(count: number, one: (random: () => number) => number): number[] {
  const random = seededRandom(3);
  return Array.from({ length: count }, () => one(random)).toSorted((a, b) => a - b);
}

test("at exactly the risk, at most one stream of twenty is ever stopped", () => {
  const stopped = runs(1000, (random) => untilOff(random, RISK, 5000)).filter(Number.isFinite).length / 1000;
  expect(stopped).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 1000));
});

test.each([
  [0.05, 315],
  [0.1, 67],
  [0.2, 24],
  [0.5, 10],
])("a true loss of %d is found after about %d items in the median", (rate, expected) => {
  const median = runs(1000, (random) => untilOff(random, rate, 5000))[500]!;
  expect(median).toBeGreaterThan(0.75 * expected);
  expect(median).toBeLessThan(1.25 * expected);
});

test("after 1,000 good items, a loss of 20 % is found within 70 in the median", () => {
  const median = runs(400, (random) => {
    let state = noWealth;
    for (let i = 0; i < 1000; i++) state = bet(state, 0, "binary", RISK);
    return untilOff(random, 0.2, 5000, state);
  })[200]!;
  expect(median).toBeLessThan(70);
});

test("wealth stays positive whatever is lost", () => {
  for (const [type, least] of [
    ["binary", 0],
    ["unit", 0],
    ["signed", -1],
  ] as const) {
    let state = noWealth;
    for (const loss of [1, 1, 1, least, least, 1, least, least]) state = bet(state, loss, type, RISK);
    expect(state.wealth).toBeGreaterThan(0);
  }
});

test("a state that was written and read again goes on alike", () => {
  const state = bet(bet(noWealth, 1, "unit", RISK), 0.3, "unit", RISK);
  const read = JSON.parse(JSON.stringify(state)) as Wealth;
  expect(bet(read, 0.5, "unit", RISK)).toEqual(bet(state, 0.5, "unit", RISK));
});
