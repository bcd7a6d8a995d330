import { Graph, matmulTransposed, mul, plus, reshape, softmax, sum, sym, times } from "../../../graph/index.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { causalMask, scoreBlocks } from "./block-scores.ts";
import { type PlacedChunk, sizesOf } from "./chooser.ts";
import type { BlockShape } from "./graphs.ts";

/**
 * The softmax, over key blocks, of mean query · mean key: `scores` [group, rows, cols]; `pairs` is the inverse of the
 * number of query–key pairs in two blocks (the last may be partial), `mask` is 0 or −∞, both [rows, cols].
 */
function tracePooledScores({ heads, kvHeads, headSize, blockSize }: BlockShape): Graph {
  const g = new Graph();
  const [rows, cols] = [sym("rows"), sym("cols")];
  const group = heads / kvHeads;
  const q = g.input("q", "f32", [group, mul(rows, blockSize), headSize]);
  const keys = g.input("keys", "f32", [cols, blockSize * headSize]);
  const pairs = g.input("pairs", "f32", [rows, cols]);
  const mask = g.input("mask", "f32", [rows, cols]);
  const queries = sum(reshape(q, [mul(group, rows), blockSize, headSize]), 1);
  const pooled = sum(reshape(keys, [cols, blockSize, headSize]), 1);
  const products = matmulTransposed(reshape(queries, [group, rows, headSize]), pooled, 1 / Math.sqrt(headSize));
  g.output("scores", softmax(plus(times(products, pairs), mask)));
  return g;
}

/** Computes attention between mean-pooled blocks. */
export class PooledScores implements Disposable {
  private constructor(
    readonly shape: BlockShape,
    readonly program: Program,
  ) {}

  static async create(shape: BlockShape): Promise<PooledScores> {
    return new PooledScores(shape, await Program.compile(tracePooledScores(shape)));
  }

  /** [heads, rows, cols]. */
  async of(placed: PlacedChunk): Promise<Float32Array> {
    const { blockSize, headSize } = this.shape;
    const { rows, cols } = sizesOf(placed.chunk, this.shape);
    using mask = causalMask(rows, cols, cols - rows, rows);
    using pairs = this.#pairs(placed);
    const shared = { mask: mask.view([rows, cols]), pairs: pairs.view([rows, cols]) };
    // Awaited here, because the buffers are disposed of on return.
    return await scoreBlocks(this.program, placed, this.shape, {
      ...{ shared, keys: [cols, blockSize * headSize] },
      shapeOf: (...shape) => shape,
    });
  }

  #pairs({ chunk }: PlacedChunk): Buffer {
    const { rows, cols } = sizesOf(chunk, this.shape);
    const { blockSize } = this.shape;
    const tail = chunk.tokens - (rows - 1) * blockSize;
    const tokens = (block: number) => (block === cols - 1 ? tail : blockSize);
    const inverse = (_: number, i: number) => 1 / (tokens(cols - rows + Math.floor(i / cols)) * tokens(i % cols));
    const pairs = new Buffer("f32", rows * cols);
    new Float32Array(pairs.memory).set(Float32Array.from({ length: rows * cols }, inverse));
    return pairs;
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
  }
}
