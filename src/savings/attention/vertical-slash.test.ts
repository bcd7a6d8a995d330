import { expect, test } from "vitest";
import { probabilities, randomHead } from "./block-sparse/oracle.testing.ts";
import { countToCover, poolColumns, poolDiagonals, topPlaces, verticalSlash } from "./vertical-slash.ts";

test("columns and diagonals by hand, the second head of two", () => {
  // Two last queries (positions 2 and 3) over four keys.
  const head = [0.5, 0.25, 0.25, 0, 0.1, 0.2, 0.3, 0.4];
  const attention = { probabilities: Float64Array.from([...new Array(8).fill(0), ...head]), queries: 2, keys: 4 };
  const { columns, diagonals } = verticalSlash(attention, 1);
  expect([...columns].map((x) => +x.toFixed(12))).toEqual([0.3, 0.225, 0.275, 0.2]);
  // Distance 0: 0.25 and 0.4; 1: 0.25 and 0.3; 2: 0.5 and 0.2; 3: 0.1.
  expect([...diagonals].map((x) => +x.toFixed(12))).toEqual([0.325, 0.275, 0.35, 0.05]);
});

test("both hold all the mass of random attention", () => {
  const keys = 50;
  const rows = probabilities(randomHead(1, keys, 8)).slice(-16);
  const padded = Float64Array.from(rows.flatMap((row) => [...row, ...new Array(keys - row.length).fill(0)]));
  const { columns, diagonals } = verticalSlash({ probabilities: padded, queries: 16, keys }, 0);
  for (const mass of [columns, diagonals, poolColumns(columns, 16), poolDiagonals(diagonals, 16)])
    expect(mass.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
});

test("a diagonal is shared by the block diagonals it crosses, as rows fall", () => {
  const blockSize = 16;
  for (const distance of [0, 1, 7, 16, 31, 40]) {
    const diagonals = new Float64Array(64);
    diagonals[distance] = 1;
    const rows = Array.from({ length: 64 }, (_, i) => i + distance);
    const counted = new Array<number>(5).fill(0);
    for (const query of rows)
      counted[Math.floor(query / blockSize) - Math.floor((query - distance) / blockSize)]! += 1 / 64;
    expect([...poolDiagonals(diagonals, blockSize)].map((x) => +x.toFixed(12))).toEqual(counted);
  }
});

test("pooling a ragged end", () => {
  expect([...poolColumns(Float64Array.of(1, 2, 3, 4, 5), 2)]).toEqual([3, 7, 5]);
  expect(poolDiagonals(Float64Array.of(1, 2, 3, 4, 5), 2)).toHaveLength(4);
});

test("the greatest places, forced ones first, the lower among equals", () => {
  const mass = Float64Array.of(0, 5, 1, 5, 5);
  expect([...topPlaces(mass, 2, 0)]).toEqual([0, 1, 0, 1, 0]);
  expect([...topPlaces(mass, 3, 1)]).toEqual([1, 1, 0, 1, 0]);
  expect([...topPlaces(mass, 1, 2)]).toEqual([1, 1, 0, 0, 0]);
  expect([...topPlaces(mass, 99, 0)]).toEqual([1, 1, 1, 1, 1]);
});

test("the number of masses that reach a need includes the crossing one", () => {
  const mass = Float64Array.of(0.125, 0.5, 0.25, 0.125);
  expect(countToCover(mass, 0.5)).toBe(1);
  expect(countToCover(mass, 0.51)).toBe(2);
  expect(countToCover(mass, 1)).toBe(4);
  expect(countToCover(mass, 1.1)).toBe(4);
});
