import { expect, test } from "vitest";
import { Entries, type Reach, type Tiles, textTiles, visualTiles } from "./tiles.ts";

const GRID = [24, 24] as const;
const [FIRST, CELLS] = [5, 576];
const positions = Array.from({ length: FIRST + CELLS + 30 }, (_, i) => i);
const spans = [{ first: FIRST, grid: GRID }];
const reach: Reach = { radius: 2, causal: false };

/** The keys that each query sees in the tiles, by query. */
function pairsOf({ count, queriesEach, keysEach, queries, keys, mask }: Tiles): Map<number, Set<number>> {
  const seen = new Map<number, Set<number>>();
  for (let t = 0; t < count; t++)
    for (let i = 0; i < queriesEach; i++) {
      const row = (t * queriesEach + i) * keysEach;
      const of = Array.from({ length: keysEach }, (_, j) => j).filter((j) => mask[row + j] === 0);
      seen.set(queries[t * queriesEach + i]!, new Set(of.map((j) => keys[t * keysEach + j]!)));
    }
  return seen;
}

test("each visual token sees text before it and (2h + 1)² cells, fewer at borders", () => {
  const seen = pairsOf(visualTiles(new Entries(spans, positions), reach));
  expect(seen.size).toBe(CELLS);
  const cells = (entry: number) => seen.get(entry)!.size - FIRST;
  expect(cells(FIRST)).toBe(9);
  expect(cells(FIRST + 12 * 24 + 12)).toBe(25);
  expect(cells(FIRST + 12)).toBe(15);
  expect(seen.get(FIRST + 100)).toContain(0);
  expect(seen.get(FIRST + 100)).not.toContain(FIRST + CELLS);
});

test("at 24×24 an eighth of the pairs of a visual query and a visual key are computed", () => {
  const { count, queriesEach, keysEach } = visualTiles(new Entries(spans, positions), reach);
  expect(count * queriesEach * (keysEach - FIRST)).toBeLessThanOrEqual(CELLS * 64);
});

test("text sees all before it, or all text", () => {
  const entries = new Entries(spans, positions);
  const last = positions.length - 1;
  expect(pairsOf(textTiles(entries, true, reach)).get(last)!.size).toBe(positions.length);
  expect(pairsOf(textTiles(entries, false, reach)).get(last)!.size).toBe(FIRST + 30);
  expect(pairsOf(textTiles(entries, true, reach)).get(2)!).toEqual(new Set([0, 1, 2]));
});

test("an image sees one before it only if all see all", () => {
  const two = [
    { first: 1, grid: [4, 4] as const },
    { first: 20, grid: [4, 4] as const },
  ];
  const entries = new Entries(two, positions.slice(0, 40));
  const all = { radius: Number.POSITIVE_INFINITY, causal: true };
  for (const [wide, others] of [[reach, 0] as const, [all, 16] as const]) {
    const seen = pairsOf(visualTiles(entries, wide));
    expect([...seen.get(35)!].filter((key) => key >= 1 && key < 17)).toHaveLength(others);
    expect(seen.get(35)).toContain(18);
    expect([...seen.get(16)!].filter((key) => key >= 20)).toEqual([]);
  }
});
