import { type Decoder, firstAttention } from "../../../models/decoder/decoder.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import type { AttentionBill } from "../../seams.ts";
import type { BlockMask } from "./block-mask.ts";
import { type Chunk, rowsOf } from "./chunk.ts";
import { type BlockShape, traceCollect, tracePlace } from "./graphs.ts";
import { TileAttention } from "./tiles.ts";

/** The compiled parts of block-sparse attention, and their buffers. They have no weights, so all layers share them. */
export class SparseKernels implements Disposable {
  readonly #first = new Buffer("i64", 1);

  private constructor(
    readonly shape: BlockShape,
    /** Rotated queries of the chunk, [heads, rows · blockSize, d]. */
    readonly q: Buffer,
    /** The result of attention, in the same shape. */
    readonly tiles: Buffer,
    readonly attention: TileAttention,
    readonly programs: Readonly<Record<"place" | "collect", Program>>,
  ) {}

  /** Compiles kernels for chunks of at most `maxRows` query blocks, in caches of at most `maxCols` blocks. */
  static async create(decoder: Decoder, shape: BlockShape, maxRows: number, maxCols: number): Promise<SparseKernels> {
    const wide = () => new Buffer("f32", shape.heads * maxRows * shape.blockSize * shape.headSize);
    const q = wide();
    const [attention, place, collect] = await Promise.all([
      TileAttention.create(shape, firstAttention(decoder).scale, maxRows, maxCols),
      Program.compile(tracePlace(decoder, shape)),
      Program.compile(traceCollect(shape)),
    ]);
    return new SparseKernels(shape, q, wide(), attention, { place, collect });
  }

  #heads(buffer: Buffer, chunk: Chunk): View {
    const { heads, blockSize, headSize } = this.shape;
    return buffer.view([heads, rowsOf(chunk, blockSize) * blockSize, headSize]);
  }

  /**
   * Rotates the chunk's queries and keys by their `positions`, i64 [chunk], and writes keys and values into the cache. `qkv` has zeros after
   * its last token.
   */
  async place(chunk: Chunk, qkv: View, positions: Buffer): Promise<void> {
    const { key, value } = chunk.cache.layer(chunk.layer);
    new BigInt64Array(this.#first.memory)[0] = BigInt(chunk.past);
    const cache = { pastKey: key, presentKey: key, pastValue: value, presentValue: value };
    const tokens = rowsOf(chunk, this.shape.blockSize) * this.shape.blockSize;
    // Padding may be rotated by any valid position.
    new BigInt64Array(positions.memory).fill(0n, chunk.tokens, tokens);
    const where = { first: this.#first.view([1]), positions: positions.view([1, tokens]) };
    const binding = { qkv, ...where, ...cache, q: this.#heads(this.q, chunk) };
    await this.programs.place.bind(binding).run();
  }

  /** Attention to the mask's blocks, token by token: `attended` [1, rows · blockSize, heads · d]. */
  async attend(chunk: Chunk, mask: BlockMask, attended: View, bill: AttentionBill): Promise<void> {
    await this.attention.attend({ chunk, q: this.q, attended: this.tiles, bill }, mask);
    await this.programs.collect.bind({ tiles: this.#heads(this.tiles, chunk), attended }).run();
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.programs)) program[Symbol.dispose]();
    for (const owned of [this.#first, this.q, this.tiles, this.attention]) owned[Symbol.dispose]();
  }
}
