import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import type { AttentionCall, AttentionSaving } from "../../../savings/seams.ts";
import { traceQuery } from "../../../savings/tokens/last-query.ts";
import type { LanguageModel } from "../language-model.ts";

/** One query and one key of a prompt without cuts, by position. */
export interface Pair {
  readonly layer: number;
  readonly head: number;
  readonly query: number;
  readonly key: number;
}

type Decoder = LanguageModel["decoder"];

/**
 * Reference attention in float64, limited to the pairs that a rule allows; a head whose query sees no key gives 0. A
 * second rule, `zeroes`, sets weights to 0 after the softmax.
 */
export class MaskedAttention implements AttentionSaving, Disposable {
  readonly chunk = 256;
  chunkAfter = () => 256;

  private constructor(
    private readonly decoder: Decoder,
    private readonly queries: readonly Program[],
    private readonly allows: (pair: Pair) => boolean,
    private readonly zeroes: (pair: Pair) => boolean,
  ) {}

  static async create(
    decoder: Decoder,
    allows: (pair: Pair) => boolean,
    zeroes: (pair: Pair) => boolean = () => false,
  ): Promise<MaskedAttention> {
    const { layers } = decoder.config;
    const programs = Array.from({ length: layers }, (_, layer) => Program.compile(traceQuery(decoder, layer, true)));
    return new MaskedAttention(decoder, await Promise.all(programs), allows, zeroes);
  }

  async attend(call: AttentionCall): Promise<void> {
    await call.dense();
    const { heads, kvHeads, headSize } = this.decoder.config;
    using q = new Buffer("f32", heads * headSize);
    const width = (heads + 2 * kvHeads) * headSize;
    const out = new Float32Array(call.attended.memory);
    for (let t = 0; t < call.tokens; t++) {
      const views = { qkv: call.qkv.view([1, 1, width], t * width), position: call.positions.view([1, 1], t) };
      await this.queries[call.layer]!.bind({ ...views, q: q.view([heads, headSize]) }).run();
      for (let head = 0; head < heads; head++) {
        const own = new Float32Array(q.memory, 4 * head * headSize, headSize);
        out.set(this.#head(call, head, own, call.past + t), (t * heads + head) * headSize);
      }
    }
  }

  #head({ layer, cache, past, tokens }: AttentionCall, head: number, q: Float32Array, query: number): Float64Array {
    const { heads, kvHeads } = this.decoder.config;
    const kv = Math.floor((head * kvHeads) / heads);
    const seen = Array.from({ length: past + tokens }, (_, key) => key).filter((key) =>
      this.allows({ layer, head, query, key }),
    );
    const rows = seen.map((entry) => {
      const { key, value, offset } = cache.place(layer, kv, entry);
      const row = (buffer: Buffer) => new Float32Array(buffer.memory, 4 * offset, q.length);
      return { key: row(key), value: row(value) };
    });
    const { scale } = this.decoder.attention(layer);
    const scores = rows.map(({ key }) => scale * key.reduce((sum, k, d) => sum + k * q[d]!, 0));
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const all = weights.reduce((a, b) => a + b, 0);
    const sum = new Float64Array(q.length);
    for (const [j, { value }] of rows.entries()) {
      if (this.zeroes({ layer, head, query, key: seen[j]! })) continue;
      for (let d = 0; d < q.length; d++) sum[d]! += (weights[j]! / all) * value[d]!;
    }
    return sum;
  }

  [Symbol.dispose](): void {
    for (const program of this.queries) program[Symbol.dispose]();
  }
}
