import { evalCost, type Spent } from "../../../graph/index.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { type Chunk, colsOf, rowsOf } from "./chunk.ts";
import { type BlockShape, traceLastAttention, tracePooledScores, traceStridedScores } from "./graphs.ts";

type Bill = (cost: Spent) => void;

/** What blocks are chosen by: compiled scores of a chunk's queries and all keys so far, one key–value head at a time. */
export class BlockScores implements Disposable {
  readonly #order: Buffer;

  private constructor(
    readonly shape: BlockShape,
    /** Rotated queries of the chunk, [heads, rows · blockSize, d]. */
    readonly q: Buffer,
    maxRows: number,
    readonly programs: Readonly<Record<"strided" | "pooled" | "last", Program>>,
  ) {
    this.#order = new Buffer("i64", maxRows * shape.blockSize);
  }

  static async create(shape: BlockShape, q: Buffer, maxRows: number): Promise<BlockScores> {
    const graphs = [traceStridedScores(shape), tracePooledScores(shape), traceLastAttention(shape)];
    const [strided, pooled, last] = await Promise.all(graphs.map((g) => Program.compile(g)));
    return new BlockScores(shape, q, maxRows, { strided: strided!, pooled: pooled!, last: last! });
  }

  /**
   * Strided scores of all heads, [heads, rows, cols]. `order` says which token meets which key of a tile (see `queryOrder`); `mask` is 0 or
   * −∞ for [rows·b, cols·b] groups.
   */
  async strided(chunk: Chunk, order: Int32Array, mask: View, bill: Bill): Promise<Float32Array> {
    const { stride, headSize, blockSize } = this.shape;
    new BigInt64Array(this.#order.memory).set(Array.from(order, BigInt));
    const keyRows = (colsOf(chunk, blockSize) * blockSize) / stride;
    const shared = { order: this.#order.view([rowsOf(chunk, blockSize) * blockSize]), mask };
    const shapeOf = (group: number, rows: number, cols: number) => [group * rows, cols];
    return this.#blocks(chunk, this.programs.strided, shared, [keyRows, stride * headSize], bill, shapeOf);
  }

  /** Scores of mean-pooled blocks, [heads, rows, cols]; `mask` and `pairs` [rows, cols]. */
  async pooled(chunk: Chunk, shared: { mask: View; pairs: View }, bill: Bill): Promise<Float32Array> {
    const { blockSize, headSize } = this.shape;
    const keys: [number, number] = [colsOf(chunk, blockSize), blockSize * headSize];
    return this.#blocks(chunk, this.programs.pooled, shared, keys, bill, (...shape) => shape);
  }

  async #blocks(
    chunk: Chunk,
    program: Program,
    shared: Record<string, View>,
    [keyRows, width]: [number, number],
    bill: Bill,
    shapeOf: (group: number, rows: number, cols: number) => number[],
  ): Promise<Float32Array> {
    const { heads, kvHeads, blockSize } = this.shape;
    const [rows, cols, group] = [rowsOf(chunk, blockSize), colsOf(chunk, blockSize), heads / kvHeads];
    using scores = new Buffer("f32", heads * rows * cols);
    for (let h = 0; h < kvHeads; h++) {
      const keys = chunk.cache.head(chunk.layer, h, keyRows, width).key;
      const part = scores.view(shapeOf(group, rows, cols), h * group * rows * cols);
      await program.bind({ ...shared, q: this.#queries(h, rows), keys, scores: part }).run();
      bill(evalCost(program.cost, { rows, cols }));
    }
    return new Float32Array(scores.memory).slice();
  }

  /** Queries of one key–value head's group. */
  #queries(head: number, rows: number): View {
    const { heads, kvHeads, blockSize, headSize } = this.shape;
    const group = heads / kvHeads;
    return this.q.view([group, rows * blockSize, headSize], head * group * rows * blockSize * headSize);
  }

  /** Exact probabilities [heads, queries, past + tokens] of the chunk's last queries. */
  async last(chunk: Chunk, queries: number, bill: Bill): Promise<Float32Array> {
    const { heads, kvHeads, headSize, blockSize } = this.shape;
    const [rows, group, keys] = [rowsOf(chunk, blockSize), heads / kvHeads, chunk.past + chunk.tokens];
    using which = new Buffer("i64", queries);
    using mask = lastMask(chunk, queries);
    using probabilities = new Buffer("f32", heads * queries * keys);
    const firstQuery = chunk.tokens - queries;
    new BigInt64Array(which.memory).set(Array.from({ length: queries }, (_, i) => BigInt(firstQuery + i)));
    const shared = { which: which.view([queries]), mask: mask.view([queries, keys]) };
    for (let h = 0; h < kvHeads; h++) {
      const part = probabilities.view([group, queries, keys], h * group * queries * keys);
      const own = { q: this.#queries(h, rows), keys: chunk.cache.head(chunk.layer, h, keys, headSize).key };
      await this.programs.last.bind({ ...shared, ...own, probabilities: part }).run();
      bill(evalCost(this.programs.last.cost, { queries, keys, tokens: rows * blockSize }));
    }
    return new Float32Array(probabilities.memory).slice();
  }

  [Symbol.dispose](): void {
    for (const program of Object.values(this.programs)) program[Symbol.dispose]();
    this.#order[Symbol.dispose]();
  }
}

/** [queries, keys]: −∞ on the keys after each of the chunk's last queries. */
function lastMask({ past, tokens }: Chunk, queries: number): Buffer {
  const keys = past + tokens;
  const mask = new Buffer("f32", queries * keys);
  const values = new Float32Array(mask.memory).fill(0);
  for (let i = 0; i < queries; i++)
    values.fill(Number.NEGATIVE_INFINITY, i * keys + keys - queries + i + 1, (i + 1) * keys);
  return mask;
}
