import type { BlockMask } from "../block-sparse/block-mask.ts";
import { type BlockChooser, type ChunkLimits, maskRequest, type PlacedChunk } from "../block-sparse/chooser.ts";
import type { BlockShape } from "../block-sparse/graphs.ts";
import { PooledScores } from "../block-sparse/pooled-scores.ts";
import type { XattentionOptions } from "./options.ts";
import { maxOverGroups, selectBlocks, sumOverGroups } from "./select.ts";
import { StridedScores } from "./strided-scores.ts";

/** Scores a chunk's blocks, [heads, rows, cols]. */
export interface BlockScores extends Disposable {
  of(placed: PlacedChunk): Promise<Float32Array>;
}

/** Scores along tiles' antidiagonals (spec b.2), or with the control pattern in the options. */
export const createScores = (
  limits: ChunkLimits,
  { select, ...options }: Pick<XattentionOptions, "select" | "stride" | "seed" | "alternateShift">,
): Promise<BlockScores> =>
  select === "mean-pool" ? PooledScores.create(limits.shape) : StridedScores.create(limits, { ...options, select });

/** Keeps the blocks with the highest scores. */
export class XattentionChooser implements BlockChooser {
  constructor(
    readonly shape: BlockShape,
    readonly options: XattentionOptions,
    readonly scores: BlockScores,
    /** Thresholds by layer and head, which replace the option `threshold`. */
    readonly thresholds?: readonly (readonly number[])[],
  ) {}

  async choose(placed: PlacedChunk, denseFrom: number): Promise<BlockMask> {
    const { shape, options } = this;
    const scores = await this.scores.of(placed);
    const request = maskRequest(placed.chunk, shape, denseFrom);
    const cols = request.rowOffset + request.rows;
    const threshold = this.#threshold(placed.chunk.layer);
    if (options.headGrouping === "query") return selectBlocks(scores, { ...options, ...request, cols, threshold });
    const { heads, kvHeads } = shape;
    const shared = typeof threshold === "number" ? threshold : maxOverGroups(threshold, kvHeads);
    const sums = sumOverGroups(scores, heads, kvHeads);
    return selectBlocks(sums, { ...options, ...request, heads: kvHeads, cols, threshold: shared });
  }

  #threshold(layer: number): number | Float32Array {
    return this.thresholds ? Float32Array.from(this.thresholds[layer]!) : this.options.threshold;
  }

  [Symbol.dispose](): void {
    this.scores[Symbol.dispose]();
  }
}
