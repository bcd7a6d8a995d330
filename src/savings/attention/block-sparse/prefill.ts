import { type Decoder, firstAttending } from "../../../models/decoder/decoder.ts";
import { CACHE_BLOCK } from "../../../models/state/cache.ts";
import { UserError } from "../../../util/errors.ts";
import type { AttentionCall, AttentionSaving } from "../../seams.ts";
import type { BlockMask } from "./block-mask.ts";
import type { BlockChooser, ChunkLimits } from "./chooser.ts";
import { type Chunk, rowsOf } from "./chunk.ts";
import { SparseKernels } from "./kernels.ts";
import type { BlockSparseOptions } from "./options.ts";

/** Query blocks per chunk: enough for attention to take longer than the overhead of the calls. */
const CHUNK_ROWS = 16;

/** One layer's chunk, head by head. */
export interface ChunkReport {
  readonly layer: number;
  readonly past: number;
  /** The share of causal blocks that are kept, per query head. */
  readonly density: readonly number[];
  /** The kept share of the estimated mass; absent for methods without an estimate. */
  readonly keptMass: readonly (number | undefined)[];
  readonly ms: { readonly scoring: number; readonly attention: number };
}

/** Replaces attention in long prompts: attends only to the key blocks that a chooser keeps. */
export class BlockSparsePrefill implements AttentionSaving, Disposable {
  readonly chunk: number;
  /** Reports on the last prompt's chunks. */
  report: ChunkReport[] = [];
  /** The prompt's length and the end of its last reported chunk. */
  #reported = { prompt: 0, end: 0 };
  /** Resolves when the current chunk ends: concurrent prompts take turns, because they share the kernels' buffers. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(
    readonly options: BlockSparseOptions,
    readonly kernels: SparseKernels,
    readonly chooser: BlockChooser,
    /** The first layer with attention. */
    private readonly first: number,
  ) {
    this.chunk = CHUNK_ROWS * options.blockSize;
  }

  /** @throws UserError if blocks do not fit the cache */
  static async create(
    options: BlockSparseOptions,
    decoder: Decoder,
    chooserFor: (limits: ChunkLimits) => Promise<BlockChooser>,
  ): Promise<BlockSparsePrefill> {
    const { heads, kvHeads, headSize, context } = decoder.config;
    const { blockSize } = options;
    const capacity = Math.ceil(context / CACHE_BLOCK) * CACHE_BLOCK;
    if (capacity % blockSize !== 0)
      throw new UserError(
        `blockSize ${blockSize} does not divide the cache of ${capacity} tokens; choose ${CACHE_BLOCK} or a divisor of it`,
        2,
      );
    const shape = { heads, kvHeads, headSize, blockSize };
    const [kernels, chooser] = await Promise.all([
      SparseKernels.create(decoder, shape, CHUNK_ROWS, capacity / blockSize),
      chooserFor({ shape, maxRows: CHUNK_ROWS }),
    ]);
    return new BlockSparsePrefill(options, kernels, chooser, firstAttending(decoder.config));
  }

  /** After a reused prefix, one short chunk aligns query blocks with the prompt's blocks. */
  chunkAfter(past: number): number {
    const off = past % this.options.blockSize;
    return off === 0 ? this.chunk : this.options.blockSize - off;
  }

  attend(call: AttentionCall): Promise<void> {
    if (call.layer === this.first) this.#follow(call);
    if (call.layer < this.options.firstDenseLayers || call.past % this.options.blockSize !== 0) return call.dense();
    const done = this.#turn.then(() => this.#attend(call));
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Starts a new report if a chunk does not follow the previous one. */
  #follow({ prompt, past, tokens }: AttentionCall): void {
    if (prompt !== this.#reported.prompt || past !== this.#reported.end) this.report = [];
    this.#reported = { prompt, end: past + tokens };
  }

  async #attend(call: AttentionCall): Promise<void> {
    const { layer, past, tokens, cache, bill } = call;
    const { heads, kvHeads, headSize, blockSize } = this.kernels.shape;
    const chunk: Chunk = { cache, layer, past, tokens };
    const padded = rowsOf(chunk, blockSize) * blockSize;
    const width = (heads + 2 * kvHeads) * headSize;
    new Float32Array(call.qkv.memory).fill(0, tokens * width, padded * width);
    await this.kernels.place(chunk, call.qkv.view([1, padded, width]), call.positions);
    const started = performance.now();
    const mask = await this.chooser.choose({ chunk, q: this.kernels.q, bill }, this.#denseFrom(call));
    const scored = performance.now();
    await this.kernels.attend(chunk, mask, call.attended.view([1, padded, heads * headSize]), bill);
    const dense = mask.causalBlocks + this.#unseen(call);
    bill.count("blocks", dense * heads, (mask.blocks() * heads) / mask.heads);
    this.#note(chunk, mask, { scoring: scored - started, attention: performance.now() - scored });
  }

  /** The first query block of the prompt's last tokens, which stay dense. */
  #denseFrom({ prompt }: AttentionCall): number {
    const { lastDenseTokens, blockSize } = this.options;
    return lastDenseTokens > 0 ? Math.floor((prompt - lastDenseTokens) / blockSize) : Number.POSITIVE_INFINITY;
  }

  /**
   * The number of extra blocks that dense attention would visit here if no layer had dropped tokens; counted with the
   * prompt's last chunk.
   */
  #unseen({ past, tokens, prompt, whole }: AttentionCall): number {
    if (past + tokens < prompt) return 0;
    return this.#triangle(whole) - this.#triangle(prompt);
  }

  /** The number of causal blocks of a whole prompt, per head. */
  #triangle(tokens: number): number {
    const rows = Math.ceil(tokens / this.options.blockSize);
    return (rows * (rows + 1)) / 2;
  }

  #note({ layer, past }: Chunk, mask: BlockMask, ms: ChunkReport["ms"]): void {
    const { heads } = this.kernels.shape;
    const rows = Array.from({ length: heads }, (_, head) => Math.floor((head * mask.heads) / heads));
    const density = rows.map((h) => mask.density(h));
    this.report.push({ layer, past, density, keptMass: rows.map((h) => mask.meanKeptMass(h)), ms });
  }

  [Symbol.dispose](): void {
    this.kernels[Symbol.dispose]();
    this.chooser[Symbol.dispose]();
  }
}
