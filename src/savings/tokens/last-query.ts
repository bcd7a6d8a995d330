import {
  addSpent,
  evalCost,
  Graph,
  gather,
  matmulTransposed,
  reshape,
  type Spent,
  softmax,
  split,
  sum,
  sym,
  type Tensor,
} from "../../graph/index.ts";
import { type Decoder, headsOf, qkvWidth } from "../../models/decoder/decoder.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { Probe, ProbePoint } from "../plan.ts";
import { AXES, turnerOf } from "../turner.ts";

const keys = sym("keys");
const among = sym("among");

/**
 * The queries of one token's `qkv` [1, 1, (heads + 2·kvHeads)·d] → `q` [heads, d], rotated by `position` (i64 [1, 1]; for
 * several axes also `positionHeight` and `positionWidth`) unless `rotary` is false.
 */
export function traceQuery(decoder: Decoder, layer: number, rotary: boolean): Graph {
  const g = new Graph();
  const { heads, kvHeads, headSize } = headsOf(decoder.config, layer);
  const qkv = g.input("qkv", "f32", [1, 1, qkvWidth(decoder.config, layer)]);
  const [q] = split(qkv, 2, [heads * headSize, 2 * kvHeads * headSize]) as [Tensor, Tensor];
  const turner = rotary ? turnerOf(decoder, g, layer) : undefined;
  const turned = turner ? turner.turned(q, turner.positions("position", 1), heads) : q;
  g.output("q", reshape(turned, [heads, headSize]));
  return g;
}

/** Options for computing the scores. */
export interface ScoreOptions {
  /** If true, scores include rotary embedding, as in the layer's own attention. */
  readonly rotary: boolean;
  /** If true, the softmax covers only some keys. */
  readonly some: boolean;
}

/**
 * Attention of one key–value head's queries `q` [group, d] to its cached `keys` [keys, d], summed over the group: `scores`
 * [1, keys]. With `some`, only the keys at `among` (i64 [among]) take part, with scores [1, among]. Without `rotary`,
 * negated sines first rotate the keys back from `positions` (i64 [1, keys or among]; for several axes also `positionsHeight`
 * and `positionsWidth`).
 */
export function traceScores(decoder: Decoder, layer: number, { rotary, some }: ScoreOptions): Graph {
  const g = new Graph();
  const { heads, kvHeads, headSize } = headsOf(decoder.config, layer);
  const q = g.input("q", "f32", [heads / kvHeads, headSize]);
  const all = g.input("keys", "f32", [keys, headSize]);
  const held = some ? gather(all, g.input("among", "i64", [among]), 0) : all;
  const count = some ? among : keys;
  const { scale: softmaxScale } = decoder.attention(layer);
  const turnedBack = (): Tensor => {
    if (rotary) return held;
    const turner = turnerOf(decoder, g, layer);
    const x = reshape(held, [1, count, headSize]);
    return reshape(turner.turned(x, turner.positions("positions", count), 1, true), [count, headSize]);
  };
  const probabilities = softmax(matmulTransposed(q, turnedBack(), softmaxScale));
  g.output("scores", reshape(sum(probabilities, 0), [1, count]));
  return g;
}

/** Scores a prompt's tokens by its last token's attention in a layer, averaged over heads. */
export class LastQueryScores implements Probe, Disposable {
  private constructor(
    private readonly decoder: Decoder,
    private readonly query: Program,
    private readonly scores: Program,
  ) {}

  /** `layer` counts from 0. */
  static async create(decoder: Decoder, layer: number, options: ScoreOptions): Promise<LastQueryScores> {
    const graphs = [traceQuery(decoder, layer, options.rotary), traceScores(decoder, layer, options)];
    const [query, scores] = await Promise.all(graphs.map((graph) => Program.compile(graph)));
    return new LastQueryScores(decoder, query!, scores!);
  }

  /** `among`: with the option `some`, the indices of the tokens to score; other tokens get 0. */
  async look({ tokens, positions, axes, layer, cache, qkv }: ProbePoint, among?: Int32Array) {
    const { heads, kvHeads, headSize } = headsOf(this.decoder.config, layer);
    const group = heads / kvHeads;
    const scored = among ?? Int32Array.from(positions.keys());
    const count = scored.length;
    using q = new Buffer("f32", heads * headSize);
    using part = new Buffer("f32", count);
    using indices = longs(scored, BigInt);
    const byAxis: readonly (readonly number[])[] = axes ?? [positions];
    using at = longs(
      byAxis.flatMap((axis) => [...scored].map((i) => axis[i]!)),
      BigInt,
    );
    using last = longs(
      byAxis.map((axis) => axis[tokens - 1]!),
      BigInt,
    );
    const places = (name: string, buffer: Buffer, count: number) =>
      Object.fromEntries(byAxis.map((_, axis) => [`${name}${AXES[axis]}`, buffer.view([1, count], axis * count)]));
    await this.query.bind({ qkv: await qkv(), ...places("position", last, 1), q: q.view([heads, headSize]) }).run();
    const cost: Spent = { flops: 0, bytes: 0 };
    const scores = new Float32Array(tokens);
    const shared = { ...places("positions", at, count), among: indices.view([count]), scores: part.view([1, count]) };
    for (let head = 0; head < kvHeads; head++) {
      const own = { q: q.view([group, headSize], head * group * headSize) };
      const held = cache.head(layer, head, tokens, headSize).key;
      await this.scores.bind({ ...shared, ...own, keys: held }).run();
      addSpent(cost, evalCost(this.scores.cost, { keys: tokens, among: count }));
      for (const [i, score] of new Float32Array(part.memory).entries()) scores[scored[i]!]! += score / heads;
    }
    return { found: scores, cost };
  }

  [Symbol.dispose](): void {
    this.query[Symbol.dispose]();
    this.scores[Symbol.dispose]();
  }
}

/** Puts whole numbers into a new buffer. */
function longs(values: ArrayLike<number>, of: (value: number) => bigint): Buffer {
  const buffer = new Buffer("i64", values.length);
  new BigInt64Array(buffer.memory).set(Array.from(values, of));
  return buffer;
}
