import type { VisualSpan } from "../../plan.ts";
import { top } from "./keep.ts";

/**
 * The mean row of an image's best tokens by score, from 0 (the top) to 1 (the bottom): 0.5 without a bias. `scores` has
 * one a cell, row by row.
 */
export function meanKeptRow(scores: Float32Array, [rows, columns]: VisualSpan["grid"], share: number): number {
  const kept = top([...scores.keys()], scores, Math.floor(share * rows * columns));
  return kept.reduce((sum, cell) => sum + Math.floor(cell / columns), 0) / kept.length / (rows - 1);
}
