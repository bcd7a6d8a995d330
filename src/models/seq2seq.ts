import { crossAttention, type Graph, relativeBias, reshape, split, type Tensor, transpose } from "../graph/index.ts";
import { type Activation, activateMlp } from "../nn/mlp.ts";
import { biasesByDistance } from "../nn/relative.ts";
import { enter, type Stream } from "../nn/stream.ts";
import type { Weights } from "../weights/prepared/weights.ts";
import type { Sizes } from "./config.ts";
import { Parts } from "./parts.ts";

/** All that tells one encoder–decoder from another; `layers` are the decoder's, as its cache has them. */
export interface Seq2SeqConfig extends Sizes {
  readonly encoderLayers: number;
  /** Rows of the tables of relative positions' biases. */
  readonly buckets: number;
  /** Distance from which on all have the same bias. */
  readonly reach: number;
  readonly activation: Activation;
  readonly gated: boolean;
  /** Multiplies the last hidden states before the head. */
  readonly logitScale: number;
  /** Token that the decoder begins with. */
  readonly start: number;
}

/** Texts of a batch: ids i64 and mask i32 (1 a token, 0 padding, after the tokens) [batch, tokens]. */
export interface SourceInput {
  readonly ids: Tensor;
  readonly mask: Tensor;
}

/** An encoder and a decoder that attends to it, with relative positions (Raffel et al. 2020), traced part by part. */
export class Seq2Seq {
  constructor(
    readonly config: Seq2SeqConfig,
    readonly weights: Weights,
  ) {}

  /** The encoder's hidden states, [batch, tokens, hidden]. */
  encode(graph: Graph, { ids, mask }: SourceInput): Tensor {
    const { vocabulary, hidden, encoderLayers } = this.config;
    const parts = new Parts(this.weights, graph);
    const bias = relativeBias(this.#biases(graph, "enc"), ids);
    let stream: Stream = { branch: parts.tokens(ids, vocabulary, hidden) };
    for (let l = 0; l < encoderLayers; l++) {
      const layer = new Layer(this.config, parts, `enc.blk.${l}.`);
      stream = layer.feedForward(layer.attend(stream, mask, bias));
    }
    return enter(stream, parts.norm("enc.output_norm", hidden, this.#norm)).normed;
  }

  get #norm() {
    return { norm: "rms", epsilon: this.config.epsilon } as const;
  }

  /** One table serves all layers of a stack: that of its first. */
  #biases(graph: Graph, stack: "enc" | "dec"): Tensor {
    const { buckets, reach, heads } = this.config;
    const table = this.weights.table(graph, `${stack}.blk.0.attn_rel_b.weight`, [buckets, heads]);
    return biasesByDistance(graph, table, { buckets, reach, bidirectional: stack === "enc" });
  }
}

/** One layer of either stack, sublayer by sublayer. */
class Layer {
  constructor(
    private readonly config: Seq2SeqConfig,
    private readonly parts: Parts,
    private readonly prefix: string,
  ) {}

  /** Attention of every token to every other. */
  attend(stream: Stream, mask: Tensor, bias: Tensor): Stream {
    const { heads } = this.config;
    const { normed, residual } = this.#enter(stream, "attn_norm");
    const [q, k, v] = this.#heads(normed, "attn_q", "attn_k", "attn_v") as [Tensor, Tensor, Tensor];
    const source = { k: this.#rows(k), v: this.#rows(v), mask };
    const attended = crossAttention(q, source, bias, { heads, scale: 1 });
    return { branch: this.#project(attended, { attn_output: this.config.hidden }), residual };
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
    const widths = names.map(() => width);
    return split(this.#project(x, outputs), 2, widths);
  }

  /** [batch, tokens, heads·d] as a cache has it: [batch, heads, tokens, d]. */
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
