import { CACHE_BLOCK } from "../../../models/cache.ts";
import { UserError } from "../../../util/errors.ts";
import type { AttentionCall, AttentionSaving, SavingHost } from "../../seams.ts";
import { rowsOf } from "./chunk.ts";
import { estimateMask } from "./estimate.ts";
import { SparseKernels } from "./kernels.ts";
import type { XattentionOptions } from "./options.ts";

/** Query blocks of a chunk: enough that attention's work outweighs the calls. */
const CHUNK_ROWS = 16;

/** One chunk of one layer, head by head. */
export interface ChunkReport {
  readonly layer: number;
  readonly past: number;
  /** Kept over causal blocks, a query head each. */
  readonly density: readonly number[];
  /** Kept share of the estimated mass; absent for methods that estimate none. */
  readonly keptMass: readonly (number | undefined)[];
  readonly ms: { readonly scoring: number; readonly attention: number };
}

/** Block-sparse prefill (XAttention and the methods it is compared with): fills the attention seam for long prompts. */
export class BlockSparsePrefill implements AttentionSaving, Disposable {
  readonly chunk: number;
  /** What the last prompt's chunks kept. */
  report: ChunkReport[] = [];
  /** Where the chunks of the report's prompt have come to. */
  #reported = { prompt: 0, end: 0 };
  /** The last chunk under way: prompts prefilled at the same time take turns, since all use the kernels' buffers. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(
    readonly options: XattentionOptions,
    readonly kernels: SparseKernels,
    /** Per layer, per head; overrides `threshold`. */
    readonly thresholds: readonly (readonly number[])[] | undefined,
  ) {
    this.chunk = CHUNK_ROWS * options.blockSize;
  }

  static async create(
    options: XattentionOptions,
    { decoder }: SavingHost,
    thresholds?: readonly (readonly number[])[],
  ): Promise<BlockSparsePrefill> {
    const { heads, kvHeads, headSize, context } = decoder.config;
    const { blockSize, stride } = options;
    const capacity = Math.ceil(context / CACHE_BLOCK) * CACHE_BLOCK;
    if (capacity % blockSize !== 0)
      throw new UserError(
        `blockSize ${blockSize} does not divide the cache of ${capacity} tokens; ${CACHE_BLOCK} or a divisor of it does`,
        2,
      );
    const shape = { heads, kvHeads, headSize, blockSize, stride };
    const kernels = await SparseKernels.create(decoder, shape, CHUNK_ROWS, capacity / blockSize);
    return new BlockSparsePrefill(options, kernels, thresholds);
  }

  /** After a reused prefix, one short chunk brings query blocks back to the prompt's own blocks. */
  chunkAfter(past: number): number {
    const off = past % this.options.blockSize;
    return off === 0 ? this.chunk : this.options.blockSize - off;
  }

  attend(call: AttentionCall): Promise<void> {
    if (call.layer === 0) this.#follow(call);
    if (call.layer < this.options.firstDenseLayers || call.past % this.options.blockSize !== 0) return call.dense();
    const done = this.#turn.then(() => this.#attend(call));
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Begins a new report when a chunk does not follow the last one. */
  #follow({ prompt, past, tokens }: AttentionCall): void {
    if (prompt !== this.#reported.prompt || past !== this.#reported.end) this.report = [];
    this.#reported = { prompt, end: past + tokens };
  }

  async #attend(call: AttentionCall): Promise<void> {
    const { layer, past, tokens, prompt, bill, cache } = call;
    const { blockSize, lastDenseTokens } = this.options;
    const { heads, kvHeads, headSize } = this.kernels.shape;
    const chunk = { cache, layer, past, tokens };
    const padded = rowsOf(chunk, blockSize) * blockSize;
    const width = (heads + 2 * kvHeads) * headSize;
    new Float32Array(call.qkv.memory).fill(0, tokens * width, padded * width);
    await this.kernels.place(chunk, call.qkv.view([1, padded, width]), call.positions);
    const started = performance.now();
    const threshold = this.thresholds ? Float32Array.from(this.thresholds[layer]!) : this.options.threshold;
    const denseFrom =
      lastDenseTokens > 0 ? Math.floor((prompt - lastDenseTokens) / blockSize) : Number.POSITIVE_INFINITY;
    const mask = await estimateMask({
      chunk,
      kernels: this.kernels,
      options: this.options,
      threshold,
      denseFrom,
      bill,
    });
    const scored = performance.now();
    await this.kernels.attend(chunk, mask, call.attended.view([1, padded, heads * headSize]), bill);
    bill.count("blocks", mask.causalBlocks * heads, (mask.blocks() * heads) / mask.heads);
    const of = (head: number) => Math.floor((head * mask.heads) / heads);
    const byHead = Array.from({ length: heads }, (_, head) => of(head));
    this.report.push({
      layer,
      past,
      density: byHead.map((h) => mask.density(h)),
      keptMass: byHead.map((h) => mask.meanKeptMass(h)),
      ms: { scoring: scored - started, attention: performance.now() - scored },
    });
  }

  [Symbol.dispose](): void {
    this.kernels[Symbol.dispose]();
  }
}
