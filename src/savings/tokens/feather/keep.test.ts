import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { visualFlopsSaved } from "./flops.testing.ts";
import { gridCells, keptTokens } from "./keep.ts";
import { featherOptions } from "./options.ts";

const options = (more: object) => featherOptions.parse({ after: 8, ...more });
const random = seededRandom(3);
const IMAGE = { first: 1, grid: [27, 27] as const };
const positions = Array.from({ length: 1 + 729 + 20 }, (_, i) => i);
const scores = Float32Array.from(positions, () => random());
const positionsOf = (more: object, stage: "first" | "second" = "first", at = { positions, scores }) => [
  ...keptTokens(options(more), stage, [IMAGE], at),
];
const visual = (indices: readonly number[]) => indices.filter((i) => i >= 1 && i < 730);

test("grids: 27×27 has 196 cells at stride 2, 81 at stride 3", () => {
  expect(gridCells(IMAGE.grid, 2).size).toBe(196);
  expect(gridCells(IMAGE.grid, 3).size).toBe(81);
  expect(gridCells(IMAGE.grid, 99)).toEqual(new Set([0]));
  expect(gridCells(IMAGE.grid, 0).size).toBe(0);
  expect([...gridCells([2, 5], 2)]).toEqual([0, 2, 4]);
});

test("the union: sorted, unique, with both parts, and all text", () => {
  const union = positionsOf({ ratio: 0.7 });
  const parts = [positionsOf({ ratio: 0.7, stride: 0 }), positionsOf({ mode: "uniform", stride: 3 })];
  expect(visual(parts[0]!).length).toBe(218);
  expect(visual(parts[1]!).length).toBe(81);
  for (const part of parts) expect(union).toEqual(expect.arrayContaining(part));
  expect(union).toEqual([...new Set(union)].toSorted((a, b) => a - b));
  expect(new Set([...parts[0]!, ...parts[1]!])).toEqual(new Set(union));
  expect(union.filter((i) => i === 0 || i >= 730).length).toBe(21);
});

test("equal counts: the grid takes places of attended tokens", () => {
  const equal = positionsOf({ ratio: 0.7, equal: true });
  expect(visual(equal).length).toBe(218);
  expect(equal).toEqual(expect.arrayContaining(positionsOf({ mode: "uniform", stride: 3 })));
  expect(visual(positionsOf({ ratio: 0.95, equal: true })).length).toBe(36);
});

test("the second stage keeps a share of the first's survivors: 3.3 % in all", () => {
  const first = positionsOf({ ratio: 0.7 });
  const at = { positions: first, scores: Float32Array.from(first, (i) => scores[i]!) };
  for (const mode of ["feather", "fastv", "uniform", "random"]) {
    const second = positionsOf({ ratio: 0.7, mode, second: 16 }, "second", at).map((i) => first[i]!);
    expect(first).toEqual(expect.arrayContaining(second));
    expect(visual(second).length).toBe(Math.floor(visual(first).length * 0.3 ** 2));
    expect(second.length).toBe(visual(second).length + 21);
  }
});

test("of equal scores the first are kept; at least one is; a last visual token stays", () => {
  const flat = { positions, scores: new Float32Array(positions.length) };
  expect(visual(positionsOf({ ratio: 0.99, stride: 0 }, "first", flat))).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(visual(positionsOf({ ratio: 0.9999, stride: 0 }, "first", flat))).toEqual([1]);
  const cut = { positions: positions.slice(0, 730), scores: scores.slice(0, 730) };
  expect(positionsOf({ ratio: 0.9, mode: "random" }, "first", cut).at(-1)).toBe(729);
});

test("each of several images keeps its own share", () => {
  const images = [
    { first: 2, grid: [4, 5] as const },
    { first: 30, grid: [2, 10] as const },
  ];
  const at = { positions: positions.slice(0, 60), scores };
  const indices = [...keptTokens(options({ ratio: 0.5, stride: 0 }), "first", images, at)];
  expect(indices.filter((i) => i >= 2 && i < 22).length).toBe(10);
  expect(indices.filter((i) => i >= 30 && i < 50).length).toBe(10);
  expect(indices.length).toBe(20 + 20);
});

test("random tokens go by the seed", () => {
  const of = (seed: number) => positionsOf({ mode: "random", seed });
  expect(of(1)).toEqual(of(1));
  expect(of(1)).not.toEqual(of(2));
  expect(visual(of(1)).length).toBe(218);
});

describe("FLOPs of the paper's tables", () => {
  const sizes = { hidden: 4096, intermediate: 11008 };
  const layers = (...parts: readonly [count: number, tokens: number][]) =>
    parts.flatMap(([count, tokens]) => Array.from({ length: count }, () => tokens));
  test.each([
    [3, 182, 0.686],
    [8, 182, 0.568],
    [3, 196, 0.669],
    [8, 196, 0.554],
    [3, 242.75, 0.612],
    [8, 242.75, 0.506],
  ])("layer %d, %d tokens: %d", (after, tokens, saved) => {
    expect(Math.abs(visualFlopsSaved(729, layers([after, 729], [32 - after, tokens]), sizes) - saved)).toBeLessThan(
      1e-3,
    );
  });

  test("two stages: 0.642", () => {
    const saved = visualFlopsSaved(729, layers([8, 729], [8, 274.7], [16, 24]), sizes);
    expect(Math.abs(saved - 0.642)).toBeLessThan(1e-3);
  });
});

test.each([
  [{}, "expected the layer after which visual tokens are dropped, such as feather:after=8"],
  [{ after: 8, ratio: 1 }, "ratio: expected at least 0 and less than 1, got 1"],
  [{ after: 8, ratio: 1.5 }, "expected a number between 0 and 1, got 1.5"],
  [{ after: 8, second: 8 }, "second: expected a layer after layer 8, got 8"],
  [{ after: 8, mode: "uniform", stride: 0 }, "stride: expected at least 1 with mode=uniform, got 0"],
])("%j is refused", (value, sentence) => {
  expect(() => featherOptions.parse(value)).toThrow(sentence);
});
