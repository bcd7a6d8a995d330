import {
  addSpent,
  evalCost,
  Graph,
  matmulTransposed,
  reshape,
  rotaryEmbedding,
  type Spent,
  scale,
  softmax,
  split,
  sum,
  sym,
  type Tensor,
} from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { Probe, ProbePoint } from "../plan.ts";

const keys = sym("keys");

/** The queries of one token's `qkv` [1, 1, (heads + 2·kvHeads)·d] → `q` [heads, d], rotated by `position` (i64 [1, 1]) unless `rotary` is false. */
export function traceQuery(decoder: Decoder, layer: number, rotary: boolean): Graph {
  const g = new Graph();
  const { heads, kvHeads, headSize } = decoder.config;
  const qkv = g.input("qkv", "f32", [1, 1, (heads + 2 * kvHeads) * headSize]);
  const [q] = split(qkv, 2, [heads * headSize, 2 * kvHeads * headSize]) as [Tensor, Tensor];
  const { rotary: pairs } = decoder.attention(layer);
  const tables = rotary && pairs !== "none" ? decoder.rotary(g, layer) : undefined;
  const turned =
    tables && pairs !== "none" ? rotaryEmbedding(q, g.input("position", "i64", [1, 1]), tables, { heads, pairs }) : q;
  g.output("q", reshape(turned, [heads, headSize]));
  return g;
}

/**
 * The attention of one key–value head's queries `q` [group, d] to its `keys` [keys, d] as the cache holds them, summed over the group: `scores`
 * [1, keys]. Without `rotary`, the keys at `positions` (i64 [1, keys]) are turned back first, by negated sines.
 */
export function traceScores(decoder: Decoder, layer: number, rotary: boolean): Graph {
  const g = new Graph();
  const { heads, kvHeads, headSize } = decoder.config;
  const q = g.input("q", "f32", [heads / kvHeads, headSize]);
  const held = g.input("keys", "f32", [keys, headSize]);
  const { rotary: pairs, scale: softmaxScale } = decoder.attention(layer);
  const tables = !rotary && pairs !== "none" ? decoder.rotary(g, layer) : undefined;
  const turnedBack = (): Tensor => {
    if (!tables || pairs === "none") return held;
    const back = { cos: tables.cos, sin: scale(tables.sin, -1) };
    const x = reshape(held, [1, keys, headSize]);
    return reshape(rotaryEmbedding(x, g.input("positions", "i64", [1, keys]), back, { heads: 1, pairs }), [
      keys,
      headSize,
    ]);
  };
  const probabilities = softmax(matmulTransposed(q, turnedBack(), softmaxScale));
  g.output("scores", reshape(sum(probabilities, 0), [1, keys]));
  return g;
}

/** Scores a prompt's tokens by the attention of its last one in a layer, averaged over heads. */
export class LastQueryScores implements Probe, Disposable {
  private constructor(
    private readonly decoder: Decoder,
    private readonly query: Program,
    private readonly scores: Program,
  ) {}

  /** `layer` counts from 0. */
  static async create(decoder: Decoder, layer: number, rotary: boolean): Promise<LastQueryScores> {
    const graphs = [traceQuery(decoder, layer, rotary), traceScores(decoder, layer, rotary)];
    const [query, scores] = await Promise.all(graphs.map((graph) => Program.compile(graph)));
    return new LastQueryScores(decoder, query!, scores!);
  }

  async look({ tokens, positions, layer, cache, qkv }: ProbePoint) {
    const { heads, kvHeads, headSize } = this.decoder.config;
    const group = heads / kvHeads;
    using q = new Buffer("f32", heads * headSize);
    using part = new Buffer("f32", tokens);
    using at = new Buffer("i64", tokens);
    new BigInt64Array(at.memory).set(positions.map(BigInt));
    const position = at.view([1, 1], tokens - 1);
    await this.query.bind({ qkv: await qkv(), position, q: q.view([heads, headSize]) }).run();
    const cost: Spent = { flops: 0, bytes: 0 };
    const found = new Float32Array(tokens);
    for (let head = 0; head < kvHeads; head++) {
      const own = { q: q.view([group, headSize], head * group * headSize), positions: at.view([1, tokens]) };
      const held = cache.head(layer, head, tokens, headSize).key;
      await this.scores.bind({ ...own, keys: held, scores: part.view([1, tokens]) }).run();
      addSpent(cost, evalCost(this.scores.cost, { keys: tokens }));
      for (const [i, score] of new Float32Array(part.memory).entries()) found[i]! += score / heads;
    }
    return { found, cost };
  }

  [Symbol.dispose](): void {
    this.query[Symbol.dispose]();
    this.scores[Symbol.dispose]();
  }
}
