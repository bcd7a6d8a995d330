import { seededRandom, shuffle } from "../../../util/random.ts";
import type { VisualSpan } from "../../plan.ts";
import type { FeatherOptions } from "./options.ts";

/** A prompt's tokens at a cut. */
export interface AtCut {
  /** The tokens' positions in the prompt, in order. */
  readonly positions: readonly number[];
  /** One score per token; only visual tokens' scores are read. */
  readonly scores: Float32Array;
}

export type Stage = "first" | "second";

/** An image's tokens at a cut: their indices there, and their cells in the grid. */
interface ImageTokens {
  readonly indices: readonly number[];
  readonly cells: readonly number[];
}

/** Indices of an image's tokens among the tokens at a cut. */
export function tokensOf({ first, grid }: VisualSpan, positions: readonly number[]): ImageTokens {
  const cells = grid[0] * grid[1];
  const indices = Array.from(positions.keys()).filter((i) => positions[i]! >= first && positions[i]! < first + cells);
  return { indices, cells: indices.map((i) => positions[i]! - first) };
}

/** The cells in every `stride`-th row and column: ⌈rows/stride⌉ · ⌈columns/stride⌉; no cells if `stride` is 0. */
export function gridCells([rows, columns]: VisualSpan["grid"], stride: number): Set<number> {
  const cells = new Set<number>();
  if (stride === 0) return cells;
  for (let row = 0; row < rows; row += stride)
    for (let column = 0; column < columns; column += stride) cells.add(row * columns + column);
  return cells;
}

/** Indices of the tokens that deeper layers process: text, the last token, and the image tokens that the mode keeps. */
export function keptTokens(
  options: FeatherOptions,
  stage: Stage,
  visual: readonly VisualSpan[],
  at: AtCut,
): Int32Array {
  const retained = new Set(at.positions.keys());
  for (const span of visual) {
    const { indices, cells } = tokensOf(span, at.positions);
    const chosen = stage === "first" ? firstOf(options, span, { indices, cells }, at) : secondOf(options, indices, at);
    for (const i of indices) if (!chosen.has(i)) retained.delete(i);
  }
  retained.add(at.positions.length - 1);
  return Int32Array.from(retained).sort();
}

/** The given share of `of` tokens, as a number of tokens: rounded down, but at least 1. */
const countOf = (of: number, share: number): number => Math.min(of, Math.max(1, Math.floor(of * share + 1e-9)));

function firstOf(options: FeatherOptions, { grid }: VisualSpan, tokens: ImageTokens, { scores }: AtCut): Set<number> {
  const { indices, cells } = tokens;
  const { mode, stride, seed } = options;
  const onGrid = gridCells(grid, stride);
  const gridded = indices.filter((_, i) => onGrid.has(cells[i]!));
  const count = countOf(indices.length, 1 - options.ratio);
  switch (mode) {
    case "feather":
      return options.equal ? filledUp(gridded, indices, scores, count) : union(top(indices, scores, count), gridded);
    case "fastv":
      return new Set(top(indices, scores, count));
    case "uniform":
      return new Set(gridded);
    case "random":
      return new Set(shuffle([...indices], seededRandom(seed)).slice(0, count));
  }
}

function secondOf({ mode, ratio, seed }: FeatherOptions, indices: readonly number[], { scores }: AtCut): Set<number> {
  const count = countOf(indices.length, (1 - ratio) ** 2);
  switch (mode) {
    case "feather":
    case "fastv":
      return new Set(top(indices, scores, count));
    case "uniform":
      return new Set(
        Array.from({ length: count }, (_, i) => indices[Math.floor(((i + 0.5) * indices.length) / count)]!),
      );
    case "random":
      return new Set(shuffle([...indices], seededRandom(seed + 1)).slice(0, count));
  }
}

/** The indices with the best scores; of equal scores, the lower indices. */
export const top = (indices: readonly number[], scores: Float32Array, count: number): number[] =>
  indices.toSorted((a, b) => scores[b]! - scores[a]! || a - b).slice(0, count);

const union = (...parts: readonly (readonly number[])[]): Set<number> => new Set(parts.flat());

/** The grid's tokens, then the best tokens off the grid, `count` in total; if the grid has more, its best `count`. */
function filledUp(
  gridded: readonly number[],
  indices: readonly number[],
  scores: Float32Array,
  count: number,
): Set<number> {
  const on = new Set(gridded);
  const others = indices.filter((i) => !on.has(i));
  return union(top(gridded, scores, count), top(others, scores, Math.max(0, count - gridded.length)));
}
