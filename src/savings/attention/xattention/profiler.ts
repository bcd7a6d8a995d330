import { type Decoder, firstAttention } from "../../../models/decoder/decoder.ts";
import { CACHE_BLOCK } from "../../../models/state/cache.ts";
import type { AttentionCall, AttentionSaving } from "../../seams.ts";
import { SparseKernels } from "../block-sparse/kernels.ts";
import { LastQueries } from "../last-attention.ts";
import { type BlockScores, createScores } from "./chooser.ts";
import { xattentionOptions } from "./options.ts";
import { profileHead } from "./thresholds.ts";

/** The exact and the estimated mass of one row of blocks, each [heads · cols], with cols = row + 1. */
interface MassRow {
  readonly exact: Float64Array;
  readonly estimated: Float32Array;
}

/** Attends densely, one row of blocks at a time, and records the exact and estimated masses of each row. */
export class ThresholdProfiler implements AttentionSaving, Disposable {
  readonly chunk: number;
  readonly #layers: MassRow[][];

  private constructor(
    readonly kernels: SparseKernels,
    readonly scores: BlockScores,
    readonly last: LastQueries,
    layers: number,
  ) {
    this.chunk = kernels.shape.blockSize;
    this.#layers = Array.from({ length: layers }, () => []);
  }

  static async create(decoder: Decoder, sizes: { stride: number; blockSize: number }): Promise<ThresholdProfiler> {
    const { layers, heads, kvHeads, headSize, context } = decoder.config;
    const { blockSize } = sizes;
    const capacity = Math.ceil(context / CACHE_BLOCK) * CACHE_BLOCK;
    const shape = { heads, kvHeads, headSize, blockSize };
    const [kernels, scores, last] = await Promise.all([
      SparseKernels.create(decoder, shape, 1, Math.ceil(capacity / blockSize)),
      createScores({ shape, maxRows: 1 }, xattentionOptions.parse(sizes)),
      LastQueries.create(shape, firstAttention(decoder).scale),
    ]);
    return new ThresholdProfiler(kernels, scores, last, layers);
  }

  chunkAfter = () => this.chunk;

  async attend(call: AttentionCall): Promise<void> {
    const { layer, past, tokens, cache, qkv, bill } = call;
    const { heads, kvHeads, headSize, blockSize } = this.kernels.shape;
    const chunk = { cache, layer, past, tokens };
    const width = (heads + 2 * kvHeads) * headSize;
    new Float32Array(qkv.memory).fill(0, tokens * width, blockSize * width);
    await this.kernels.place(chunk, qkv.view([1, blockSize, width]), call.positions);
    const placed = { chunk, q: this.kernels.q, bill };
    const estimated = await this.scores.of(placed);
    const { probabilities, keys } = await this.last.attend(placed, tokens);
    this.#layers[layer]!.push({ estimated, exact: blockMass(probabilities, heads, tokens, keys, blockSize) });
    await call.dense();
  }

  /** Thresholds [layers][heads] for the prompt just run; resets the profiler for the next one. */
  take(coverage: number): number[][] {
    const { heads } = this.kernels.shape;
    return this.#layers.map((rows) => {
      const profiled = rows.splice(0);
      return Array.from({ length: heads }, (_, head) => thresholdOf(profiled, head, heads, coverage));
    });
  }

  [Symbol.dispose](): void {
    for (const owned of [this.kernels, this.scores, this.last]) owned[Symbol.dispose]();
  }
}

function thresholdOf(rows: readonly MassRow[], head: number, heads: number, coverage: number): number {
  const cols = rows.length;
  const spread = (part: keyof MassRow) => {
    const all = new Float64Array(cols * cols);
    for (const [i, row] of rows.entries()) {
      const width = row[part].length / heads;
      all.set(row[part].subarray(head * width, (head + 1) * width), i * cols);
    }
    return all;
  };
  return profileHead(spread("exact"), spread("estimated"), { rows: cols, cols, rowOffset: 0, coverage });
}

/** Probabilities [heads, queries, keys] summed over a row's queries and each block's keys: [heads · blocks]. */
function blockMass(
  p: Float32Array | Float64Array,
  heads: number,
  queries: number,
  keys: number,
  blockSize: number,
): Float64Array {
  const blocks = Math.ceil(keys / blockSize);
  const mass = new Float64Array(heads * blocks);
  for (let i = 0; i < heads * queries; i++) {
    const head = Math.floor(i / queries);
    for (let key = 0; key < keys; key++) mass[head * blocks + Math.floor(key / blockSize)]! += p[i * keys + key]!;
  }
  return mass;
}
