import {
  columns,
  encoderAttention,
  type Graph,
  type Pooling,
  plus,
  pool,
  relativeBias,
  reshape,
  rotaryEmbedding,
  split,
  type Tensor,
  tanh,
  times,
} from "../../graph/index.ts";
import { type Activation, activateMlp } from "../../nn/mlp.ts";
import { addAndNormalise, type Norm, normalise } from "../../nn/norm.ts";
import { type Buckets, biasesByDistance } from "../../nn/relative.ts";
import { type RopeConfig, ropeName, ropeTable } from "../../nn/rope.ts";
import { type Stream, settle } from "../../nn/stream.ts";
import { type TextBatch, textBatch } from "../../nn/unpad.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { Sizes } from "../config/config.ts";
import { Parts } from "../tensors/parts.ts";

/** The layers between the hidden states and a task's outputs: `dense`, an activation, an optional norm, the output. */
export interface Head {
  readonly dense: string;
  readonly activation: Activation | "tanh";
  readonly norm?: string;
  readonly output: string;
}

/** The configuration of an encoder. */
export interface EncoderConfig extends Sizes {
  /** The normalised tensor: a sublayer's input (except the first layer's), or its output added to the stream. */
  readonly norms: "before" | "after";
  /** True if the first layer also has a norm before it; only with norms before sublayers. */
  readonly firstNorm?: boolean;
  /** True if attention is causal. */
  readonly causal?: boolean;
  /** The kind of norm; layer norms if absent. */
  readonly norm?: Norm["kind"];
  /** True if layer norms have a bias. */
  readonly shifted: boolean;
  /** True if q, k and v are one tensor. */
  readonly fused: boolean;
  /** False if feed-forwards have no gate; "joined" if gates and gated values are one tensor, "apart" if two. */
  readonly gated: false | "joined" | "apart";
  readonly activation: Activation;
  /** True if the outputs of attention and feed-forward are scaled per element (Touvron et al. 2021, LayerScale). */
  readonly layerScale?: boolean;
  /** The number of token types, for the first and the second text; 0 if the model does not use them. */
  readonly types: number;
  /** The row of the first token in the position table; undefined if positions have no vectors. */
  readonly firstPosition: number | undefined;
  /** The number of rows in the position table. */
  readonly positions: number;
  rope(layer: number): RopeConfig | undefined;
  /** The distance within which a query sees keys; undefined if it sees all keys. */
  reach(layer: number): number | undefined;
  /** If present, scores have biases by the distance between query and key, the same in all layers. */
  readonly biases?: Buckets;
  /** The number of classes of a classifier. */
  readonly labels: number;
  readonly classifier: Head & { readonly pooling: Pooling };
  readonly predictor: Head;
}

/**
 * An encoder's inputs: ids and mask (1 for a token, 0 for padding, which comes last) [batch, tokens], and `types` if
 * the model has them.
 */
export interface EncoderInput {
  readonly ids: Tensor;
  readonly mask: Tensor;
  readonly types?: Tensor | undefined;
  /** 1 for tokens that other tokens attend to; if absent, `mask` is used. */
  readonly seen?: Tensor | undefined;
}

/** A model that reads whole texts and returns a vector for each token. */
export interface TextEncoder {
  readonly config: Pick<
    EncoderConfig,
    "layers" | "hidden" | "heads" | "kvHeads" | "headSize" | "vocabulary" | "context" | "labels" | "types"
  >;
  readonly weights: WeightSource;
  /** Hidden states of the last layer, or after the first `layers`, [batch, tokens, hidden]. */
  hidden(graph: Graph, input: EncoderInput, layers?: number): Tensor;
}

/** An encoder built from its configuration: every token sees all others. */
export class Encoder implements TextEncoder {
  /** Score biases, stored under the texts' mask so that a graph computes them only once. */
  readonly #biases = new WeakMap<Tensor, Tensor>();

  constructor(
    readonly config: EncoderConfig,
    readonly weights: WeightSource,
  ) {}

  hidden(graph: Graph, input: EncoderInput, layers: number = this.config.layers): Tensor {
    const texts = { ...textBatch(input.mask), mask: input.seen ?? input.mask };
    let stream: Stream = { branch: this.embed(graph, input, texts) };
    for (let layer = 0; layer < layers; layer++) stream = this.layer(graph, layer, stream, texts);
    return this.finish(graph, stream, texts);
  }

  /** The residual stream before the first layer, [kept, hidden]. */
  embed(graph: Graph, { ids, types }: EncoderInput, { padding }: TextBatch): Tensor {
    const { vocabulary, hidden, firstPosition, positions } = this.config;
    const parts = new Parts(this.weights, graph);
    let x = parts.tokens(ids, vocabulary, hidden);
    if (types) x = plus(x, parts.rows("token_types", types, this.config.types, hidden));
    if (firstPosition !== undefined)
      x = plus(x, parts.rows("position_embd", columns(ids, firstPosition), positions, hidden));
    return normalise(padding.unpad(x), this.#norm(parts, "token_embd_norm"));
  }

  /** Runs a layer on the residual stream [kept, hidden]. */
  layer(graph: Graph, layer: number, stream: Stream, texts: TextBatch): Stream {
    const { norms } = this.config;
    const parts = new Parts(this.weights, graph);
    const name = (part: string) => `blk.${layer}.${part}`;
    const attend = (x: Tensor) => this.#scaled(graph, name("attn_scale"), this.#attend(graph, parts, layer, x, texts));
    const feed = (x: Tensor) => this.#scaled(graph, name("ffn_scale"), this.#feed(parts, name, x));
    if (norms === "after") {
      const { branch } = stream;
      const middle = addAndNormalise(attend(branch), branch, this.#norm(parts, name("attn_output_norm"))).normed;
      return { branch: addAndNormalise(feed(middle), middle, this.#norm(parts, name("layer_output_norm"))).normed };
    }
    const whole = settle(stream);
    const normed =
      layer === 0 && !this.config.firstNorm ? whole : normalise(whole, this.#norm(parts, name("attn_norm")));
    const middle = addAndNormalise(attend(normed), whole, this.#norm(parts, name("ffn_norm")));
    return { branch: feed(middle.normed), residual: middle.residual };
  }

  /** Hidden states [batch, tokens, hidden], from the stream after the last layer that ran. */
  finish(graph: Graph, stream: Stream, { padding }: TextBatch): Tensor {
    const last = settle(stream);
    const norm = () => this.#norm(new Parts(this.weights, graph), "output_norm");
    return padding.pad(this.config.norms === "after" ? last : normalise(last, norm()));
  }

  /** Class scores [batch, labels], from hidden states. */
  classify(graph: Graph, hidden: Tensor, mask: Tensor): Tensor {
    const { classifier, labels } = this.config;
    const parts = new Parts(this.weights, graph);
    const [batch, , width] = hidden.shape;
    // Projections take rows of tokens, so each text becomes a row with one token.
    const pooled = reshape(pool(hidden, mask, classifier.pooling), [batch!, 1, width!]);
    const scores = parts.project(this.#dense(parts, pooled, classifier), { [classifier.output]: labels });
    return reshape(scores, [batch!, labels]);
  }

  /** Logits of the vocabulary at each token, [batch, tokens, vocabulary], from hidden states. */
  predict(graph: Graph, hidden: Tensor): Tensor {
    const { predictor, vocabulary } = this.config;
    const parts = new Parts(this.weights, graph);
    const output = this.weights.has(`${predictor.output}.weight`) ? predictor.output : "token_embd";
    const logits = parts.project(this.#dense(parts, hidden, predictor), { [output]: vocabulary });
    if (output === predictor.output || !this.weights.has(`${predictor.output}.bias`)) return logits;
    return plus(logits, this.weights.vector(graph, { [`${predictor.output}.bias`]: vocabulary }));
  }

  #scaled(graph: Graph, name: string, x: Tensor): Tensor {
    const { layerScale, hidden } = this.config;
    return layerScale ? times(x, this.weights.vector(graph, { [`${name}.weight`]: hidden })) : x;
  }

  #dense(parts: Parts, x: Tensor, { dense, activation, norm }: Head): Tensor {
    const inside = parts.project(x, { [dense]: this.config.hidden });
    const active = activation === "tanh" ? tanh(inside) : activateMlp(inside, activation, false);
    return norm === undefined ? active : normalise(active, this.#norm(parts, norm));
  }

  #norm(parts: Parts, name: string) {
    const { norm = "layer", epsilon, hidden, shifted } = this.config;
    return parts.norm(name, hidden, { norm, epsilon }, shifted);
  }

  #attend(graph: Graph, parts: Parts, layer: number, x: Tensor, { mask, padding, turn: own }: TextBatch): Tensor {
    const { heads, headSize, fused, hidden, causal } = this.config;
    const width = heads * headSize;
    const name = (part: string) => `blk.${layer}.${part}`;
    const outputs = fused
      ? { [name("attn_qkv")]: 3 * width }
      : { [name("attn_q")]: width, [name("attn_k")]: width, [name("attn_v")]: width };
    const qkv = padding.pad(parts.project(x, outputs));
    const [q, k, v] = split(qkv, 2, [width, width, width]) as [Tensor, Tensor, Tensor];
    const turn = own ?? this.#rotation(graph, layer);
    const attrs = { heads, scale: 1 / Math.sqrt(headSize), reach: this.config.reach(layer), causal };
    const attended = padding.unpad(encoderAttention(turn(q), turn(k), v, mask, attrs, this.#bias(graph, mask)));
    return parts.project(attended, { [name("attn_output")]: hidden });
  }

  /** Biases on the scores, [1, heads, tokens, tokens], if the model has them. */
  #bias(graph: Graph, mask: Tensor): Tensor | undefined {
    const { biases, heads } = this.config;
    const known = this.#biases.get(mask);
    if (biases === undefined || known) return known;
    const table = this.weights.table(graph, "attn_rel_b.weight", [biases.buckets, heads]);
    const bias = relativeBias(biasesByDistance(graph, table, biases), mask);
    this.#biases.set(mask, bias);
    return bias;
  }

  /** Rotates queries or keys by position, if the layer has rotary embedding. */
  #rotation(graph: Graph, layer: number): (x: Tensor) => Tensor {
    const rope = this.config.rope(layer);
    if (rope === undefined) return (x) => x;
    const bytes = new Uint8Array(BigInt64Array.of(0n).buffer);
    const first = graph.constant("first", { dtype: "i64", shape: [1] }, { kind: "memory", bytes });
    const shape = [rope.positions, rope.headSize / 2];
    const table = (of: "cos" | "sin") =>
      this.weights.computed(graph, ropeName(of, rope), shape, () => ropeTable(Math[of], rope));
    const tables = { cos: table("cos"), sin: table("sin") };
    return (x) => rotaryEmbedding(x, first, tables, { heads: this.config.heads, pairs: "half" });
  }

  #feed(parts: Parts, name: (part: string) => string, x: Tensor): Tensor {
    const { ffn, gated, activation, hidden } = this.config;
    const outputs =
      gated === "apart"
        ? { [name("ffn_gate")]: ffn, [name("ffn_up")]: ffn }
        : { [name("ffn_up")]: gated ? 2 * ffn : ffn };
    const inside = parts.project(x, outputs);
    return parts.project(activateMlp(inside, activation, gated !== false), { [name("ffn_down")]: hidden });
  }
}
