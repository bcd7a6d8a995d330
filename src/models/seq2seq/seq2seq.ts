import {
  biasedAttention,
  type CacheTensors,
  crossAttention,
  type Graph,
  relativeBias,
  reshape,
  scale,
  split,
  type Tensor,
  transpose,
} from "../../graph/index.ts";
import { type Activation, activateMlp } from "../../nn/mlp.ts";
import { biasesByDistance } from "../../nn/relative.ts";
import { enter, type Stream } from "../../nn/stream.ts";
import { type TextBatch, Unpadding } from "../../nn/unpad.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { Sizes } from "../config/config.ts";
import { past } from "../programs/attend.ts";
import { Parts } from "../tensors/parts.ts";

/** An encoder–decoder's configuration; `layers` is the number of decoder layers. */
export interface Seq2SeqConfig extends Sizes {
  readonly encoderLayers: number;
  /** The number of rows in the tables of relative position biases. */
  readonly buckets: number;
  /** All keys at this distance or farther have the same bias. */
  readonly reach: number;
  readonly activation: Activation;
  readonly gated: boolean;
  /** The factor that scales the last hidden states before the head. */
  readonly logitScale: number;
  /** The first token of the decoder's input. */
  readonly start: number;
}

/** The texts of a batch: ids i64 and mask i32 (1 for tokens, 0 for padding at the end) [batch, tokens]. */
export interface SourceInput {
  readonly ids: Tensor;
  readonly mask: Tensor;
}

/** The source for a decoder layer's attention: keys and values [batch, heads, source, headSize], and the mask. */
export interface SourceRows {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask: Tensor;
}

/** The inputs of one decoder layer other than the stream, and the outputs of its cache. */
export interface DecoderLayer {
  readonly cache: CacheTensors;
  readonly source: SourceRows;
  present(key: Tensor, value: Tensor): void;
}

/** An encoder and a decoder that attends to it, with relative positions (Raffel et al. 2020), traced part by part. */
export class Seq2Seq {
  constructor(
    readonly config: Seq2SeqConfig,
    readonly weights: WeightSource,
  ) {}

  /** The encoder's hidden states, [batch, tokens, hidden]. */
  encode(graph: Graph, { ids, mask }: SourceInput): Tensor {
    const { vocabulary, hidden, encoderLayers } = this.config;
    const parts = new Parts(this.weights, graph);
    const bias = relativeBias(this.#biases(graph, "enc"), ids);
    const padding = new Unpadding(mask);
    let stream: Stream = { branch: padding.unpad(parts.tokens(ids, vocabulary, hidden)) };
    for (let l = 0; l < encoderLayers; l++) {
      const layer = new Layer(this.config, parts, `enc.blk.${l}.`);
      stream = layer.feedForward(layer.attend(stream, { mask, padding }, bias));
    }
    return padding.pad(enter(stream, parts.norm("enc.output_norm", hidden, this.#norm)).normed);
  }

  /** Keys and values from the encoder's hidden states, for each decoder layer. */
  source(graph: Graph, hidden: Tensor): Omit<SourceRows, "mask">[] {
    const parts = new Parts(this.weights, graph);
    return Array.from({ length: this.config.layers }, (_, l) =>
      new Layer(this.config, parts, `dec.blk.${l}.`).sourceRows(hidden),
    );
  }

  /** Logits [batch, tokens, vocabulary] after each of the decoder's next tokens, ids i64 [batch, tokens]. */
  decode(graph: Graph, ids: Tensor, layers: readonly DecoderLayer[]): Tensor {
    const { vocabulary, hidden } = this.config;
    const parts = new Parts(this.weights, graph);
    const bias = relativeBias(this.#biases(graph, "dec"), ids, layers[0]!.cache.total, past);
    let stream: Stream = { branch: parts.tokens(ids, vocabulary, hidden) };
    for (const [l, { cache, source, present }] of layers.entries()) {
      const layer = new Layer(this.config, parts, `dec.blk.${l}.`);
      const own = layer.attendCached(stream, cache, bias, present);
      stream = layer.feedForward(layer.attendSource(own, source));
    }
    return this.#logits(parts, enter(stream, parts.norm("dec.output_norm", hidden, this.#norm)).normed);
  }

  #logits(parts: Parts, hidden: Tensor): Tensor {
    const { vocabulary, logitScale } = this.config;
    return parts.head(logitScale === 1 ? hidden : scale(hidden, logitScale), vocabulary);
  }

  get #norm() {
    return { norm: "rms", epsilon: this.config.epsilon } as const;
  }

  /** Biases by distance, from the table of a stack's first layer, which all of its layers use. */
  #biases(graph: Graph, stack: "enc" | "dec"): Tensor {
    const { buckets, reach, heads } = this.config;
    const table = this.weights.table(graph, `${stack}.blk.0.attn_rel_b.weight`, [buckets, heads]);
    return biasesByDistance(graph, table, { buckets, reach, bidirectional: stack === "enc" });
  }
}

/** One layer of either stack, computed sublayer by sublayer. */
class Layer {
  constructor(
    private readonly config: Seq2SeqConfig,
    private readonly parts: Parts,
    private readonly prefix: string,
  ) {}

  /** Attention of every token to all tokens. */
  attend(stream: Stream, { mask, padding }: TextBatch, bias: Tensor): Stream {
    const { heads, headSize } = this.config;
    const { normed, residual } = this.#enter(stream, "attn_norm");
    const width = heads * headSize;
    const qkv = padding.pad(this.#project(normed, { attn_q: width, attn_k: width, attn_v: width }));
    const [q, k, v] = split(qkv, 2, [width, width, width]) as [Tensor, Tensor, Tensor];
    const source = { k: this.#rows(k), v: this.#rows(v), mask };
    const attended = padding.unpad(crossAttention(q, source, bias, { heads, scale: 1 }));
    return { branch: this.#project(attended, { attn_output: this.config.hidden }), residual };
  }

  /** Attention of the decoder's tokens to earlier, cached tokens. */
  attendCached(stream: Stream, cache: CacheTensors, bias: Tensor, present: DecoderLayer["present"]): Stream {
    const { heads, headSize, hidden } = this.config;
    const { normed, residual } = this.#enter(stream, "attn_norm");
    const width = heads * headSize;
    const qkv = this.#project(normed, { attn_q: width, attn_k: width, attn_v: width });
    const { y, presentKey, presentValue } = biasedAttention(qkv, cache, bias, { heads, headSize, scale: 1, past });
    present(presentKey, presentValue);
    return { branch: this.#project(y, { attn_output: hidden }), residual };
  }

  /** Attention of the decoder's tokens to the source. */
  attendSource(stream: Stream, source: SourceRows): Stream {
    const { heads, hidden } = this.config;
    const { normed, residual } = this.#enter(stream, "cross_attn_norm");
    const [q] = this.#heads(normed, "cross_attn_q") as [Tensor];
    const attended = crossAttention(q, source, undefined, { heads, scale: 1 });
    return { branch: this.#project(attended, { cross_attn_output: hidden }), residual };
  }

  sourceRows(hidden: Tensor): Omit<SourceRows, "mask"> {
    const [k, v] = this.#heads(hidden, "cross_attn_k", "cross_attn_v") as [Tensor, Tensor];
    return { k: this.#rows(k), v: this.#rows(v) };
  }

  feedForward(stream: Stream): Stream {
    const { hidden, ffn, gated, activation } = this.config;
    const { normed, residual } = this.#enter(stream, "ffn_norm");
    const inside = this.#project(normed, gated ? { ffn_gate: ffn, ffn_up: ffn } : { ffn_up: ffn });
    return { branch: this.#project(activateMlp(inside, activation, gated), { ffn_down: hidden }), residual };
  }

  /** Projections to all heads, each [batch, tokens, heads·d]. */
  #heads(x: Tensor, ...names: string[]): Tensor[] {
    const width = this.config.heads * this.config.headSize;
    const outputs = Object.fromEntries(names.map((name) => [name, width]));
    const joined = this.#project(x, outputs);
    return names.length === 1
      ? [joined]
      : split(
          joined,
          2,
          names.map(() => width),
        );
  }

  /** Converts [batch, tokens, heads·d] to a cache's layout: [batch, heads, tokens, d]. */
  #rows(x: Tensor): Tensor {
    const [batch, tokens] = x.shape;
    return transpose(reshape(x, [batch!, tokens!, this.config.heads, this.config.headSize]), [0, 2, 1, 3]);
  }

  #enter(stream: Stream, name: string) {
    const { hidden, epsilon } = this.config;
    return enter(stream, this.parts.norm(this.prefix + name, hidden, { norm: "rms", epsilon }));
  }

  #project(x: Tensor, outputs: Readonly<Record<string, number>>): Tensor {
    const named = Object.entries(outputs).map(([name, n]) => [this.prefix + name, n]);
    return this.parts.project(x, Object.fromEntries(named));
  }
}

/** An encoder–decoder's architecture, defined in one file of this folder. */
export interface Seq2SeqArchitecture {
  /** Reads the configuration. `has`: true if the checkpoint holds a tensor. @throws UserError that names the key */
  configure(config: ConfigSource, has?: (tensor: string) => boolean): Seq2SeqConfig;
  /** Checkpoint tensors that no layer uses. */
  unread(checkpoint: Checkpoint): readonly string[];
  /** Maps canonical names to the checkpoint's own. */
  tensors(checkpoint: Checkpoint): Names;
  /** Maps a matrix's canonical name, without `.weight`, to its modules in Hugging Face's code. */
  modules(checkpoint: Checkpoint): (canonical: string) => readonly string[];
  open(weights: WeightSource): Seq2Seq;
}
