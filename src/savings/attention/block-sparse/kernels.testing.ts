/** A decoder without layers, with random queries, keys and values for its attention, to test compiled attention. */
import { addSpent, type Spent } from "../../../graph/index.ts";
import { ndarray } from "../../../graph/ndarray.ts";
import { rotate } from "../../../graph/ops/rotary.ts";
import type { Decoder, DecoderConfig } from "../../../models/decoder/decoder.ts";
import { KvCache } from "../../../models/state/cache.ts";
import { ropeTable } from "../../../nn/rope.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import type { AttentionBill } from "../../seams.ts";
import type { ChooserContext, PlacedChunk } from "./chooser.ts";
import { type Chunk, rowsOf } from "./chunk.ts";
import { SparseKernels } from "./kernels.ts";
import { type Head, randomHead } from "./oracle.testing.ts";

export const config: DecoderConfig = {
  layers: 3,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  vocabulary: 8,
  context: 2048,
};
const { heads, kvHeads, headSize } = config;
export const width = (heads + 2 * kvHeads) * headSize;

const rope = { theta: 10000, headSize, positions: config.context };

/** A decoder whose attention alone is used. */
export function fakeDecoder(rotary: ReturnType<Decoder["attention"]>["rotary"] = "none"): Decoder {
  const absent = (): never => {
    throw new Error("the fake decoder has no layers");
  };
  const shape = [rope.positions, headSize / 2];
  return {
    config,
    attention: () => ({ heads, kvHeads, headSize, scale: 1 / Math.sqrt(headSize), rotary }),
    rotary(graph) {
      const table = (f: "cos" | "sin") =>
        graph.constant(
          f,
          { dtype: "f32", shape },
          { kind: "memory", bytes: new Uint8Array(ropeTable(Math[f], rope).buffer) },
        );
      return { cos: table("cos"), sin: table("sin") };
    },
    embed: absent,
    block: absent,
    finish: absent,
    logits: absent,
    logitsOf: absent,
  };
}

/**
 * A prompt's query heads; the heads of a group share keys and values. Queries have large norms, so that attention is
 * far from uniform.
 */
export function randomPrompt(seed: number, length: number): Head[] {
  const noiseOf = (n: number) => {
    const { q, k, v } = randomHead(seed * 1000 + n, length, headSize);
    return { q: q.map((x) => Math.fround(3 * x)), k: k.map(Math.fround), v: v.map(Math.fround) };
  };
  const shared = Array.from({ length: kvHeads }, (_, kv) => noiseOf(kv));
  return Array.from({ length: heads }, (_, h) => ({
    ...shared[Math.floor((h * kvHeads) / heads)]!,
    q: noiseOf(100 + h).q,
    headDim: headSize,
  }));
}

/** A head whose queries and keys are rotated by their positions in the prompt, in float64. */
export function rotatedHead(head: Head, pairs: "half" | "interleaved"): Head {
  const table = (f: (x: number) => number) => ndarray([rope.positions, headSize / 2], ropeTable(f, rope));
  const tables = { cos: table(Math.cos), sin: table(Math.sin) };
  const rotated = (x: Float64Array) => {
    const y = new Float64Array(x.length);
    for (let t = 0; t * headSize < x.length; t++)
      y.set(rotate(x.subarray(t * headSize, (t + 1) * headSize), t, tables, pairs), t * headSize);
    return y;
  };
  return { ...head, q: rotated(head.q), k: rotated(head.k) };
}

/** Some of the prompt's tokens as a layer's qkv: [tokens, (heads + 2·kvHeads)·headSize]. */
export function qkvOf(prompt: readonly Head[], past: number, tokens: number): Float32Array {
  const qkv = new Float32Array(tokens * width);
  const parts = [
    ...prompt.map((h) => h.q),
    ...Array.from({ length: kvHeads }, (_, kv) => prompt[(kv * heads) / kvHeads]!.k),
    ...Array.from({ length: kvHeads }, (_, kv) => prompt[(kv * heads) / kvHeads]!.v),
  ];
  for (let t = 0; t < tokens; t++)
    for (const [i, part] of parts.entries())
      qkv.set(part.subarray((past + t) * headSize, (past + t + 1) * headSize), t * width + i * headSize);
  return qkv;
}

/** A bill that sums its entries. */
export class Bill implements AttentionBill {
  readonly ran: Spent = { flops: 0, bytes: 0 };
  readonly caused: Spent = { flops: 0, bytes: 0 };
  readonly counted = { dense: 0, run: 0 };
  run = (cost: Spent) => addSpent(this.ran, cost);
  overhead = (cost: Spent) => addSpent(this.caused, cost);
  count = (name: string, dense: number, run: number) => {
    if (name !== "blocks") throw new Error(`got a count of ${name}, expected blocks`);
    this.counted.dense += dense;
    this.counted.run += run;
  };
}

/** Positions of consecutive tokens from `first` on, with room up to `capacity`. */
export function positionsFrom(first: number, tokens: number, capacity: number): Buffer {
  const positions = new Buffer("i64", capacity);
  new BigInt64Array(positions.memory).set(Array.from({ length: tokens }, (_, i) => BigInt(first + i)));
  return positions;
}

/** Kernels with a cache, for consecutive chunks. */
export class Rig implements Disposable {
  readonly cache = new KvCache(config);
  readonly bill = new Bill();
  readonly limits: ChooserContext;

  private constructor(
    readonly kernels: SparseKernels,
    decoder: Decoder,
    maxRows: number,
  ) {
    this.limits = { decoder, shape: kernels.shape, maxRows };
  }

  static async create({ blockSize }: { blockSize: number }, decoder = fakeDecoder()): Promise<Rig> {
    const rows = Math.ceil(1026 / blockSize);
    const shape = { heads, kvHeads, headSize, blockSize };
    return new Rig(await SparseKernels.create(decoder, shape, rows, config.context / blockSize), decoder, rows);
  }

  /** Places `past` tokens of a prompt and then the chunk after them. */
  async place(prompt: readonly Head[], past: number, tokens: number): Promise<Chunk> {
    if (past > 0) await this.#placeOne(prompt, 0, past);
    return this.#placeOne(prompt, past, tokens);
  }

  async #placeOne(prompt: readonly Head[], past: number, tokens: number): Promise<Chunk> {
    const { blockSize } = this.kernels.shape;
    const chunk = { cache: this.cache, layer: 0, past, tokens };
    const padded = rowsOf(chunk, blockSize) * blockSize;
    using qkv = new Buffer("f32", padded * width);
    using positions = positionsFrom(past, tokens, padded);
    const memory = new Float32Array(qkv.memory).fill(0);
    memory.set(qkvOf(prompt, past, tokens));
    await this.kernels.place(chunk, qkv.view([1, padded, width]), positions);
    return chunk;
  }

  /** The last placed chunk, for choosers. */
  placed = (chunk: Chunk, bill = this.bill): PlacedChunk => ({ chunk, q: this.kernels.q, bill });

  [Symbol.dispose](): void {
    this.cache[Symbol.dispose]();
    this.kernels[Symbol.dispose]();
  }
}

/** One head's slice of the attention output: [tokens, headSize] from [tokens, heads·headSize]. */
export const headOf = (attended: Float32Array, head: number): Float32Array =>
  Float32Array.from({ length: attended.length / heads }, (_, i) => {
    const token = Math.floor(i / headSize);
    return attended[(token * heads + head) * headSize + (i % headSize)]!;
  });

/** The greatest absolute difference; Infinity if lengths differ or a value is NaN. */
export function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i]! - b[i]!);
    worst = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(worst, d);
  }
  return worst;
}
