import { Graph, gather, matmulTransposed, mul, plus, reshape, softmax, sum, sym } from "../../../graph/index.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { causalMask, scoreBlocks } from "../block-sparse/block-scores.ts";
import { type ChunkLimits, type PlacedChunk, sizesOf } from "../block-sparse/chooser.ts";
import type { BlockShape } from "../block-sparse/graphs.ts";
import { type OrderOptions, queryOrder } from "./pattern.ts";

/**
 * Scores one key–value head's queries (spec b.2): `q` [group, tokens, d] gathered in `order`, keys regrouped by stride,
 * softmax over the groups that `mask` allows, summed into blocks: `scores` [group · rows, cols].
 */
function traceStridedScores({ heads, kvHeads, headSize, blockSize }: BlockShape, stride: number): Graph {
  const g = new Graph();
  const [rows, cols] = [sym("rows"), sym("cols")];
  const group = heads / kvHeads;
  const per = blockSize / stride;
  const [n, m] = [mul(rows, per), mul(cols, per)];
  const q = g.input("q", "f32", [group, mul(rows, blockSize), headSize]);
  const order = g.input("order", "i64", [mul(rows, blockSize)]);
  const keys = g.input("keys", "f32", [m, stride * headSize]);
  const mask = g.input("mask", "f32", [n, m]);
  const regrouped = reshape(gather(q, order, 1), [group, n, stride * headSize]);
  const mass = softmax(plus(matmulTransposed(regrouped, keys, 1 / (Math.sqrt(headSize) * stride)), mask));
  const byRow = sum(reshape(mass, [mul(group, rows), per, m]), 1);
  g.output("scores", sum(reshape(byRow, [mul(group, rows), cols, per]), 2));
  return g;
}

/** Computes block scores from `stride` × `stride` tiles, with one sampled query per key. */
export class StridedScores implements Disposable {
  readonly #order: Buffer;

  private constructor(
    readonly shape: BlockShape,
    readonly options: OrderOptions,
    readonly program: Program,
    maxRows: number,
  ) {
    this.#order = new Buffer("i64", maxRows * shape.blockSize);
  }

  static async create({ shape, maxRows }: ChunkLimits, options: OrderOptions): Promise<StridedScores> {
    const program = await Program.compile(traceStridedScores(shape, options.stride));
    return new StridedScores(shape, options, program, maxRows);
  }

  /** [heads, rows, cols]. */
  async of(placed: PlacedChunk): Promise<Float32Array> {
    const { past, tokens } = placed.chunk;
    const { stride } = this.options;
    const { blockSize, headSize } = this.shape;
    const { rows, cols } = sizesOf(placed.chunk, this.shape);
    const per = blockSize / stride;
    const valid = Math.ceil(tokens / stride);
    const order = queryOrder({ ...this.options, groups: rows * per, firstGroup: past / stride });
    new BigInt64Array(this.#order.memory).set(Array.from(order, BigInt));
    using mask = causalMask(rows * per, cols * per, past / stride, valid);
    const shared = { order: this.#order.view([rows * blockSize]), mask: mask.view([rows * per, cols * per]) };
    const scores = await scoreBlocks(this.program, placed, this.shape, {
      ...{ shared, keys: [cols * per, stride * headSize] },
      shapeOf: (group) => [group * rows, cols],
    });
    return withoutPadding(scores, rows * per - valid, rows, cols);
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
    this.#order[Symbol.dispose]();
  }
}

/** Padding rows lie in the last row of blocks and put a mass of 1 each on block 0; this mass is subtracted. */
function withoutPadding(scores: Float32Array, padding: number, rows: number, cols: number): Float32Array {
  if (padding > 0) for (let at = (rows - 1) * cols; at < scores.length; at += rows * cols) scores[at]! -= padding;
  return scores;
}
