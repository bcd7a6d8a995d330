import { evalCost, Graph, gather, matmulTransposed, plus, softmax, sym } from "../../graph/index.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import { type PlacedChunk, queriesOf } from "./block-sparse/chooser.ts";
import type { Chunk } from "./block-sparse/chunk.ts";
import type { BlockShape } from "./block-sparse/graphs.ts";

/**
 * Computes exact attention probabilities [group, queries, keys] for one key–value head, from the queries of `q` [group,
 * tokens, d] at the indices `which` and all `keys` [keys, d]; `mask` [queries, keys] is 0 or −∞.
 */
function traceLastAttention(
  { heads, kvHeads, headSize }: Pick<BlockShape, "heads" | "kvHeads" | "headSize">,
  scale: number,
): Graph {
  const g = new Graph();
  const group = heads / kvHeads;
  const [queries, keyCount] = [sym("queries"), sym("keys")];
  const q = g.input("q", "f32", [group, sym("tokens"), headSize]);
  const picked = gather(q, g.input("which", "i64", [queries]), 1);
  const keys = g.input("keys", "f32", [keyCount, headSize]);
  const mask = g.input("mask", "f32", [queries, keyCount]);
  g.output("probabilities", softmax(plus(matmulTransposed(picked, keys, scale), mask)));
  return g;
}

/** Attention of a chunk's last queries to all keys so far. */
export interface LastAttention {
  /** Softmax over all keys, `[heads, queries, keys]`; row i is the query at `keys - queries + i`. */
  readonly probabilities: Float32Array | Float64Array;
  readonly queries: number;
  readonly keys: number;
}

/** Computes exact attention for a chunk's last queries. */
export class LastQueries implements Disposable {
  private constructor(
    readonly shape: BlockShape,
    readonly program: Program,
  ) {}

  static async create(shape: BlockShape, scale: number): Promise<LastQueries> {
    return new LastQueries(shape, await Program.compile(traceLastAttention(shape, scale)));
  }

  /** Attends for the chunk's last `most` queries, or for all if it has fewer; billed as overhead. */
  async attend(placed: PlacedChunk, most: number): Promise<LastAttention> {
    const { chunk, bill } = placed;
    const { heads, kvHeads, headSize, blockSize } = this.shape;
    const queries = Math.min(most, chunk.tokens);
    const [keys, group] = [chunk.past + chunk.tokens, heads / kvHeads];
    using which = new Buffer("i64", queries);
    using mask = lastMask(chunk, queries);
    using probabilities = new Buffer("f32", heads * queries * keys);
    const first = chunk.tokens - queries;
    new BigInt64Array(which.memory).set(Array.from({ length: queries }, (_, i) => BigInt(first + i)));
    const shared = { which: which.view([queries]), mask: mask.view([queries, keys]) };
    const tokens = Math.ceil(chunk.tokens / blockSize) * blockSize;
    for (let h = 0; h < kvHeads; h++) {
      const part = probabilities.view([group, queries, keys], h * group * queries * keys);
      const own = { q: queriesOf(placed, this.shape, h), keys: chunk.cache.head(chunk.layer, h, keys, headSize).key };
      await this.program.bind({ ...shared, ...own, probabilities: part }).run();
      bill.overhead(evalCost(this.program.cost, { queries, keys, tokens }));
    }
    return { probabilities: new Float32Array(probabilities.memory).slice(), queries, keys };
  }

  [Symbol.dispose](): void {
    this.program[Symbol.dispose]();
  }
}

/** [queries, keys]: −∞ for keys after each of the chunk's last queries. */
function lastMask({ past, tokens }: Chunk, queries: number): Buffer {
  const keys = past + tokens;
  const mask = new Buffer("f32", queries * keys);
  const values = new Float32Array(mask.memory).fill(0);
  for (let i = 0; i < queries; i++)
    values.fill(Number.NEGATIVE_INFINITY, i * keys + keys - queries + i + 1, (i + 1) * keys);
  return mask;
}
