import {
  add,
  concat,
  crossAttention,
  encoderAttention,
  Graph,
  gather,
  mul,
  reshape,
  sym,
  type Tensor,
  transpose,
} from "../../graph/index.ts";
import { type Stream, settle } from "../../nn/stream.ts";
import { attentionBlock, type Decoder } from "../decoder/decoder.ts";
import { wholeHeads } from "../decoder/whole-heads.ts";

const batch = sym("batch");
const tokens = sym("tokens");
const rows = sym("rows");
const past = sym("past");

/** A pass's treatment of keys and values: it drops them, outputs them, or reads a cache of earlier tokens. */
export type DenoiserCache = "none" | "written" | "read";

/**
 * A pass over whole sequences, in which each token sees all others (in a causal model, all earlier tokens). `ids` i64
 * and `mask` i32 (0: padding) [batch, tokens], `first` i64 [1], the position of the first token, and `at` i64 [rows],
 * indices into the flattened [batch · tokens] → `hidden` [1, rows, hidden], the normalised stream at these indices, and
 * `logits` [1, rows, vocabulary]. If the cache is written, other outputs are `key0`, `value0`, … [batch, tokens, heads
 * · headSize], rotated; if it is read, other inputs are `pastKey0`, … [batch, past, …], and `mask` covers the cache as
 * well.
 */
export function traceDenoiser(decoder: Decoder, cache: DenoiserCache): Graph {
  const g = new Graph();
  const { layers, hidden } = decoder.config;
  const width = cache === "read" ? add(past, tokens) : tokens;
  const shared = { mask: g.input("mask", "i32", [batch, width]), first: g.input("first", "i64", [1]) };
  const unused = () => {
    throw new Error("a model that fills in masked tokens has no learned positions");
  };
  let stream: Stream = { branch: decoder.embed(g, g.input("ids", "i64", [batch, tokens]), unused) };
  for (let l = 0; l < layers; l++) {
    const block = attentionBlock(decoder, g, l);
    const { qkv, residual, beside } = block.attentionIn(stream);
    const attended = new Attention(g, decoder, l, shared).attend(qkv, cache);
    stream = block.feedForward(block.attentionOut(attended, residual, beside));
  }
  const flat = reshape(settle(stream), [mul(batch, tokens), hidden]);
  const branch = reshape(gather(flat, g.input("at", "i64", [rows]), 0), [1, rows, hidden]);
  const finished = decoder.finish(g, { branch });
  g.output("hidden", finished);
  g.output("logits", decoder.logits(g, finished));
  return g;
}

/** The bidirectional attention of one layer. */
class Attention {
  constructor(
    private readonly g: Graph,
    private readonly decoder: Decoder,
    private readonly layer: number,
    private readonly shared: { readonly mask: Tensor; readonly first: Tensor },
  ) {}

  /** qkv [batch, tokens, (heads + 2·kvHeads)·headSize] → [batch, tokens, heads·headSize]. */
  attend(qkv: Tensor, cache: DenoiserCache): Tensor {
    const { heads, scale } = this.decoder.attention(this.layer);
    const { q, k: key, v: value } = wholeHeads(this.g, this.decoder, this.layer, qkv, this.shared.first);
    if (cache === "written") {
      this.g.output(`key${this.layer}`, key);
      this.g.output(`value${this.layer}`, value);
    }
    const { mask } = this.shared;
    const causal = this.decoder.config.denoiser === undefined;
    if (cache !== "read") return encoderAttention(q, key, value, mask, { heads, scale, causal });
    const source = { k: this.#behind("pastKey", key), v: this.#behind("pastValue", value), mask };
    return crossAttention(q, source, undefined, { heads, scale });
  }

  /** The cached rows, followed by the pass's own rows, for each head. */
  #behind(name: string, x: Tensor): Tensor {
    const { heads, headSize } = this.decoder.attention(this.layer);
    const before = this.g.input(name + this.layer, "f32", [batch, past, heads * headSize]);
    const whole = concat([before, x], 1);
    return transpose(reshape(whole, [batch, add(past, tokens), heads, headSize]), [0, 2, 1, 3]);
  }
}
