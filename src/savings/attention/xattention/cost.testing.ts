import type { BlockMask } from "../block-sparse/block-mask.ts";

/**
 * Closed forms of attention's cost for one head of one layer, in FLOPs (a multiply-add is 2), without softmax (arXiv
 * 2503.16428; only the causal half of the score matrix counts).
 */

/** Dense causal attention, QK^T and PV: half of 4 L^2 d. */
export const denseAttentionFlops = (length: number, headDim: number) => 2 * length ** 2 * headDim;

/** Strided scoring: half of (L/S)^2 inner products of S*d numbers. */
export const scoringFlops = (length: number, headDim: number, stride: number) => (length ** 2 * headDim) / stride;

/** Scoring as executed: every group of queries is multiplied by its own group of keys and all earlier groups. */
export function countedScoringFlops(shape: { queries: number; past: number; headDim: number; stride: number }): number {
  const groups = Math.ceil(shape.queries / shape.stride);
  const pairs = groups * (shape.past / shape.stride) + (groups * (groups + 1)) / 2;
  return 2 * pairs * shape.stride * shape.headDim;
}

/** A block kernel's attention over a head's kept blocks: whole blocks, cut only at the prompt's end. */
export function countedAttentionFlops(
  mask: BlockMask,
  head: number,
  shape: { queries: number; past: number; headDim: number; blockSize: number },
): number {
  const end = shape.past + shape.queries;
  const tokens = (block: number, start: number) =>
    Math.min((block + 1) * shape.blockSize, end) - Math.max(block * shape.blockSize, start);
  let pairs = 0;
  for (let row = 0; row < mask.rows; row++) {
    const queries = tokens(mask.rowOffset + row, shape.past);
    for (const block of mask.row(head, row)) pairs += queries * tokens(block, 0);
  }
  return 4 * pairs * shape.headDim;
}

/**
 * The largest possible speedup of attention at a density (the kept share of causal blocks), with a kernel as efficient
 * as the dense kernel.
 */
export const predictedSpeedup = (density: number, stride: number) => 1 / (density + 1 / (2 * stride));

/** The largest possible speedup of a whole prefill; `attentionShare` is attention's share of dense time. */
export const predictedPrefillSpeedup = (density: number, stride: number, attentionShare: number) =>
  1 / (1 - attentionShare + attentionShare / predictedSpeedup(density, stride));
