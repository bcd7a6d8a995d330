import { describe, expect, test } from "vitest";
import { Pace } from "./pace.ts";

const paceOf = (...spent: number[]): Pace => {
  const pace = new Pace();
  for (const ms of spent) pace.note(ms);
  return pace;
};

describe("seconds until a refused request may be tried again", () => {
  test("grow with those that wait, and shrink with the places", () => {
    const pace = paceOf(4000);
    expect([1, 2, 10].map((waiting) => pace.secondsFor(waiting, 1))).toEqual([4, 8, 40]);
    expect([1, 2, 8].map((places) => pace.secondsFor(10, places))).toEqual([40, 20, 5]);
  });

  test("follow what was measured from the first request on, and later changes", () => {
    expect(paceOf(60_000).secondsFor(1, 1)).toBe(60);
    expect(paceOf(100).secondsFor(1, 1)).toBe(1);
    const slower = paceOf(1000, ...Array.from({ length: 50 }, () => 20_000));
    expect(slower.secondsFor(1, 1)).toBe(20);
  });

  test("before any has ended, are at least as long as those under way have taken", () => {
    expect(paceOf().secondsFor(2, 2, [30_000, 30_000])).toBe(30);
    expect(paceOf(1000).secondsFor(1, 1, [50_000])).toBe(50);
  });

  test("have what is left of those under way", () => {
    expect(paceOf(10_000).secondsFor(0, 1, [4000])).toBe(6);
    expect(paceOf(10_000).secondsFor(3, 2, [4000, 9000])).toBe(19);
  });

  test("are at least one", () => {
    expect(paceOf().secondsFor(1, 1)).toBe(1);
  });
});
