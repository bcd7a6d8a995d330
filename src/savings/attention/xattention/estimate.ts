import { Buffer } from "../../../runtime/buffer.ts";
import type { AttentionBill } from "../../seams.ts";
import { flexPrefillMask, minferenceMask, triShapeMask } from "./baselines.ts";
import type { BlockMask, MaskRequest } from "./block-mask.ts";
import { type Chunk, colsOf, rowsOf } from "./chunk.ts";
import type { SparseKernels } from "./kernels.ts";
import type { XattentionOptions } from "./options.ts";
import { queryOrder } from "./pattern.ts";
import { maxOverGroups, selectBlocks, sumOverGroups } from "./select.ts";

/** What a mask is made for: a chunk whose queries and keys are placed. */
export interface EstimateRequest {
  readonly chunk: Chunk;
  readonly kernels: SparseKernels;
  readonly options: XattentionOptions;
  /** One for all heads, or one per query head. */
  readonly threshold: number | Float32Array;
  /** Query blocks from this one on (counted from the prompt's start) stay dense. */
  readonly denseFrom: number;
  readonly bill: AttentionBill;
}

/** Chooses the blocks of a chunk by the options' mode. */
export async function estimateMask(request: EstimateRequest): Promise<BlockMask> {
  const { chunk, kernels, options, denseFrom, bill } = request;
  const rows = rowsOf(chunk, options.blockSize);
  const rowOffset = chunk.past / options.blockSize;
  const all: MaskRequest = { heads: kernels.shape.heads, rows, rowOffset, denseFrom };
  const last = async (queries: number) => {
    const count = Math.min(queries, chunk.tokens);
    const probabilities = await kernels.scores.last(chunk, count, (cost) => bill.overhead(cost));
    return { probabilities, queries: count, keys: chunk.past + chunk.tokens };
  };
  switch (options.mode) {
    case "xattention":
      return select(request, await estimateBlockScores(request), all);
    case "tri-shape":
      return triShapeMask(all, options);
    case "minference":
      return minferenceMask(all, await last(options.lastQueries), options);
    case "flexprefill": {
      const pooled = await pooledScores(request);
      return flexPrefillMask(all, { last: await last(options.blockSize), pooled, cols: rowOffset + rows }, options);
    }
  }
}

function select({ kernels, options, threshold }: EstimateRequest, scores: Float32Array, all: MaskRequest): BlockMask {
  const { heads, kvHeads } = kernels.shape;
  const cols = all.rowOffset + all.rows;
  if (options.headGrouping === "query") return selectBlocks(scores, { ...options, ...all, cols, threshold });
  const shared = typeof threshold === "number" ? threshold : maxOverGroups(threshold, kvHeads);
  return selectBlocks(sumOverGroups(scores, heads, kvHeads), {
    ...options,
    ...all,
    heads: kvHeads,
    cols,
    threshold: shared,
  });
}

/** Block scores A [heads, rows, cols] of a chunk (spec b.2), or of the mean-pool control. */
export async function estimateBlockScores(request: EstimateRequest): Promise<Float32Array> {
  const { chunk, kernels, options, bill } = request;
  if (options.select === "mean-pool") return pooledScores(request);
  const { stride, blockSize, select } = options;
  const per = blockSize / stride;
  const [rows, cols] = [rowsOf(chunk, blockSize), colsOf(chunk, blockSize)];
  const order = queryOrder({ ...options, select, groups: rows * per, firstGroup: chunk.past / stride });
  using mask = causalMask(rows * per, cols * per, chunk.past / stride, Math.ceil(chunk.tokens / stride));
  const visible = mask.view([rows * per, cols * per]);
  const scores = await kernels.scores.strided(chunk, order, visible, (cost) => bill.overhead(cost));
  return withoutPadding(scores, rows * per - Math.ceil(chunk.tokens / stride), rows, cols);
}

async function pooledScores({
  chunk,
  kernels,
  bill,
}: Pick<EstimateRequest, "chunk" | "kernels" | "bill">): Promise<Float32Array> {
  const { blockSize } = kernels.shape;
  const [rows, cols] = [rowsOf(chunk, blockSize), colsOf(chunk, blockSize)];
  using mask = causalMask(rows, cols, cols - rows, rows);
  using pairs = new Buffer("f32", rows * cols);
  const tail = chunk.tokens - (rows - 1) * blockSize;
  const tokens = (block: number) => (block === cols - 1 ? tail : blockSize);
  const inverse = (_: number, i: number) => 1 / (tokens(cols - rows + Math.floor(i / cols)) * tokens(i % cols));
  new Float32Array(pairs.memory).set(Float32Array.from({ length: rows * cols }, inverse));
  const shared = { mask: mask.view([rows, cols]), pairs: pairs.view([rows, cols]) };
  // Awaited here, since the buffers are disposed of on return.
  return await kernels.scores.pooled(chunk, shared, (cost) => bill.overhead(cost));
}

/** 0 where row i may see column j ≤ offset + i, −∞ elsewhere. Rows from `valid` on are padding: they see column 0 alone. */
function causalMask(rows: number, cols: number, offset: number, valid: number): Buffer {
  const mask = new Buffer("f32", rows * cols);
  const values = new Float32Array(mask.memory).fill(0);
  for (let i = 0; i < rows; i++)
    values.fill(Number.NEGATIVE_INFINITY, i * cols + (i < valid ? offset + i : 0) + 1, (i + 1) * cols);
  return mask;
}

/** Padding rows lie in the last row of blocks, with all their mass, 1 each, on block 0: it is taken off again. */
function withoutPadding(scores: Float32Array, padding: number, rows: number, cols: number): Float32Array {
  if (padding > 0) for (let at = (rows - 1) * cols; at < scores.length; at += rows * cols) scores[at]! -= padding;
  return scores;
}
