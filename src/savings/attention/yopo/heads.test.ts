import { expect, test } from "vitest";
import { headsWithin, keptHeads } from "./heads.ts";

test("the threshold is one for all layers; the first may keep all", () => {
  const ratios = [
    [0.1, 0.2, 0.3, 0.4],
    [0.9, 0.8, 0.7, 0.6],
  ];
  expect(keptHeads(ratios, 0.5, 0)).toEqual([
    [false, false, false, false],
    [true, true, true, true],
  ]);
  expect(keptHeads(ratios, 0.25, 1)).toEqual([
    [true, true, true, true],
    [true, true, false, false],
  ]);
  expect(keptHeads(ratios, 0, 0).flat()).not.toContain(true);
});

test("a budget's share is of the layers that visual tokens run; the first keep all while it lasts", () => {
  const ratios = [
    [0.1, 0.2],
    [0.9, 0.8],
    [0.3, 0.7],
    [0.5, 0.5],
    [9, 9],
    [9, 9],
  ];
  const within = (keep: number, whole: number) =>
    headsWithin(ratios, keep, { whole, layers: 4 }).map((row) => row.map(Number).join(""));
  expect(within(0.5, 1)).toEqual(["11", "11", "00", "00", "00", "00"]);
  expect(within(0.625, 0)).toEqual(["00", "11", "01", "11", "00", "00"]);
  expect(within(0.125, 1)).toEqual(["01", "00", "00", "00", "00", "00"]);
});
