import { type Graph, plus, positions, reshape, scale, softcap, type Tensor } from "../../graph/index.ts";
import type { LatentSizes } from "../../nn/latent-attention.ts";
import type { MixerWeights } from "../../nn/mixer-weights.ts";
import type { Activation } from "../../nn/mlp.ts";
import type { RouterConfig } from "../../nn/moe/route.ts";
import { type Norm, normalise } from "../../nn/norm.ts";
import { padTable } from "../../nn/padded-heads.ts";
import { type RopeConfig, ropeName, ropeRows, ropeTable } from "../../nn/rope.ts";
import { type Axes, axisTable, type Sections, type Tables } from "../../nn/rope-axes.ts";
import { enter, type Stream } from "../../nn/stream.ts";
import { tokensWith } from "../../nn/token-rows.ts";
import { UserError } from "../../util/errors.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { mixerParts } from "../tensors/mixer-parts.ts";
import { Parts } from "../tensors/parts.ts";
import {
  type AttentionBlock,
  attends,
  type Decoder,
  type DecoderConfig,
  headsOf,
  isRecurrent,
  type RecurrentBlock,
} from "./decoder.ts";
import { type Mixer, MixerLayer } from "./mixer-layer.ts";
import { SideBySideLayer } from "./side-by-side-layer.ts";
import { paddedHeads, scaled, TransformerLayer } from "./transformer-layer.ts";

/** Mixtures of experts that replace the feed-forwards of some layers. */
export interface ExpertsConfig extends RouterConfig {
  /** Width of one expert's feed-forward. */
  readonly width: number;
  /** A feed-forward beside the experts, for every token; if gated, its output is weighted by a sigmoid of its input. */
  readonly shared?: { readonly width: number; readonly gated: boolean } | undefined;
  /** True for layers that have experts. */
  has(layer: number): boolean;
  /** True if gates multiply the experts' inputs, not their outputs. */
  readonly gatedInputs?: true;
  /** True if the experts' matrices and the router have biases. */
  readonly biased?: true;
  /**
   * True if experts run beside the dense feed-forward, each with its own norms; the router reads the normalised stream
   * (Gemma 4).
   */
  readonly beside?: true;
  /** True if attention is also a mixture, whose experts share keys and values; both mixtures have a bias (JetMoE). */
  readonly attention?: boolean;
}

/** A decoder's configuration, read by an architecture; `plain` contains the most common values. */
export interface TransformerConfig extends DecoderConfig {
  /** Width of the feed-forward. */
  readonly ffn: number;
  /** A layer's feed-forward width, if layers differ. */
  ownFfn?(layer: number): number;
  readonly experts?: ExpertsConfig | undefined;
  /** False for layers without any feed-forward, dense or with experts; if absent, all layers have one. */
  hasFeedForward?(layer: number): boolean;
  readonly epsilon: number;
  /** The epsilon of the layers' norms, if it differs from `epsilon`. */
  readonly layerEpsilon?: number;
  readonly norm: Norm["kind"];
  /** The tensors that are normalised: a sublayer's input, its output, or both. */
  readonly norms: "before" | "after" | "around";
  /** False for layer norms without a bias; if absent, layer norms have one. */
  readonly shifted?: boolean;
  /** True if attention and feed-forward both read the layer's single norm, and both outputs are added to the stream. */
  readonly parallel?: boolean;
  /**
   * Normalises queries and keys: over each head, over all heads together, or over each head without a gain, in layers with
   * rotary embedding.
   */
  readonly headNorm?: "head" | "width" | "plain";
  /** True if each head's values are also normalised, without a gain. */
  readonly valueNorm?: true;
  /** True for layers whose values are the keys before the keys' norm. */
  keysAsValues?(layer: number): boolean;
  /** Projections in a layer that must have a bias, such as `attn_q`; others may have one. */
  readonly biases: readonly string[];
  /** Present if keys and values come from a latent; `epsilon` is set if its norms use a different one. */
  readonly latent?: LatentSizes & { readonly epsilon?: number };
  /**
   * True if `attn_q` also computes a gate for attention's result, head by head; the gate is passed alongside attention.
   */
  readonly gatedAttention?: boolean;
  /** True if q, k and v are stored as one tensor, `attn_qkv`, and gate and up as one tensor, `ffn_up`. */
  readonly fused: boolean;
  readonly activation: Activation;
  readonly gated: boolean;
  /** The pairs of a head's elements that are rotated together. */
  readonly pairs: "interleaved" | "half";
  /** A layer's rotary embedding; undefined if it has none. */
  rope(layer: number): RopeConfig | undefined;
  /** The pairs of a head that rotate by each axis of a position; if absent, a position is one number. */
  readonly sections?: Sections;
  window(layer: number): number | undefined;
  /** True if a learned vector for each position (`position_embd`) is added to the token's vector. */
  readonly learnedPositions: boolean;
  /** The chunk size in layers with chunked attention: only positions in the same chunk see each other. */
  chunk?(layer: number): number | undefined;
  /** In layers without rotary embedding, queries are multiplied by 1 + scale · log(1 + ⌊(position + 1) / floor⌋). */
  readonly temperature?: { readonly floor: number; readonly scale: number } | undefined;
  /** The factor by which a layer scales query–key products. */
  attentionScale(layer: number): number;
  readonly embeddingScale: number;
  /** A factor for a sublayer's output before it is added to the stream. */
  readonly residualScale: number;
  /** True if a layer may scale its output stream by a stored factor, which is not trained (`layer_output_scale`). */
  readonly scaledOutputs?: true;
  /** A separate factor for the feed-forward; 1 if absent. */
  readonly feedForwardScale?: number;
  readonly logitScale: number;
  readonly attentionSoftcap?: number | undefined;
  /** True if each head has a sink, an extra score beside its keys' scores (`attn_sinks`). */
  readonly sinks?: true;
  readonly logitSoftcap?: number | undefined;
}

/** A decoder built from its configuration: the stack that all transformer architectures share. */
export class Transformer implements Decoder {
  readonly config: TransformerConfig;
  /** The number of rows in the token table; an adapter may add tokens. */
  readonly #table: number;

  /** `mixer` creates the mixers of recurrent layers. */
  constructor(
    config: TransformerConfig,
    readonly weights: WeightSource,
    private readonly mixer?: (weights: MixerWeights) => Mixer,
  ) {
    this.#table = config.vocabulary;
    this.config = { ...config, vocabulary: tokensWith(config.vocabulary, weights.tokens) };
  }

  attention(layer: number) {
    if (!attends(this.config, layer)) throw new Error(`layer ${layer} is recurrent and has no attention`);
    const { pairs, attentionSoftcap: softcap, sinks, storedHeadSize } = this.config;
    const heads = headsOf(this.config, layer);
    const rope = this.config.rope(layer);
    return {
      ...heads,
      rotary: rope ? pairs : ("none" as const),
      scale: this.config.attentionScale(layer),
      ...(rope && rope.headSize !== (storedHeadSize ?? heads.headSize) && { rotated: rope.headSize }),
      window: this.config.window(layer),
      chunk: this.config.chunk?.(layer),
      softcap,
      ...(sinks && { sinks }),
    };
  }

  temperature(graph: Graph, layer: number): Tensor | undefined {
    const { temperature, context } = this.config;
    if (temperature === undefined || this.config.rope(layer)) return undefined;
    const { floor, scale } = temperature;
    const factor = (_: unknown, position: number) => 1 + scale * Math.log1p(Math.floor((position + 1) / floor));
    const factors = () => Float32Array.from({ length: context }, factor);
    return this.weights.computed(graph, `temperature.${floor}.${scale}`, [context], factors);
  }

  sinks(graph: Graph, layer: number): Tensor | undefined {
    const { sinks, heads } = this.config;
    return sinks && this.weights.vector(graph, { [`blk.${layer}.attn_sinks.weight`]: heads });
  }

  rotary(graph: Graph, layer: number): { cos: Tensor; sin: Tensor } | undefined {
    const rope = this.config.rope(layer);
    if (rope === undefined) return undefined;
    const full = this.#withFactors(rope);
    const padded = paddedHeads(this.config);
    const width = padded?.padded ?? rope.headSize;
    const table = (of: "cos" | "sin") => {
      const name = padded ? `${ropeName(of, full)}.${width}` : ropeName(of, full);
      return this.weights.computed(graph, name, [ropeRows(full), width / 2], () => {
        const values = ropeTable(Math[of], full);
        return padded ? padTable(values, padded) : values;
      });
    };
    return { cos: table("cos"), sin: table("sin") };
  }

  axes(graph: Graph, layer: number): Axes<Tables> | undefined {
    const { sections } = this.config;
    const rope = this.config.rope(layer);
    if (sections === undefined || rope === undefined) return undefined;
    const table = (of: "cos" | "sin", axis: number) => {
      const name = [ropeName(of, rope), ...sections.pairs, ...(sections.woven ? ["woven"] : []), axis].join(".");
      return this.weights.computed(graph, name, [ropeRows(rope), rope.headSize / 2], () =>
        axisTable(of, rope, sections, axis),
      );
    };
    const tables = (axis: number) => ({ cos: table("cos", axis), sin: table("sin", axis) });
    return [tables(0), tables(1), tables(2)];
  }

  /** Adds divisors, which a GGUF stores in tensors. */
  #withFactors(rope: RopeConfig): RopeConfig {
    const { scaling } = rope;
    if (this.weights.config.kind !== "gguf") return rope;
    // A scaling that already has factors does not use the tensor's factors.
    if (scaling?.type === "factors" && scaling.factors.length > 0) return rope;
    if (scaling?.type === "long")
      return {
        ...rope,
        scaling: { ...scaling, short: this.#factors("short", rope), long: this.#factors("long", rope) },
      };
    const plain = this.#divisors("rope_freqs.weight", rope);
    if (scaling?.type !== "factors")
      return plain ? { ...rope, scaling: { type: "factors", factors: plain, magnitude: 1 } } : rope;
    return { ...rope, scaling: { ...scaling, factors: plain ?? this.#factors("short", rope) } };
  }

  #factors(of: "short" | "long", rope: RopeConfig): number[] {
    const name = `rope_factors_${of}.weight`;
    const found = this.#divisors(name, rope);
    if (found) return found;
    throw new UserError(`${this.weights.config.path}: tensor "${name}" is missing, expected LongRoPE's factors`);
  }

  #divisors(name: string, { headSize }: RopeConfig): number[] | undefined {
    const values = this.weights.values(name);
    if (!values) return undefined;
    const divisors = [...values];
    if (divisors.length === headSize / 2 && divisors.every((d) => d > 0)) return divisors;
    throw new UserError(
      `${this.weights.config.path}: tensor "${name}" has ${divisors.length} values, expected ${headSize / 2} above 0`,
    );
  }

  embed(graph: Graph, ids: Tensor, lengths: () => Tensor): Tensor {
    const { hidden, context, embeddingScale, learnedPositions } = this.config;
    const parts = new Parts(this.weights, graph);
    const tokens = scaled(parts.tokens(ids, this.#table, hidden), embeddingScale);
    if (!learnedPositions) return tokens;
    return plus(tokens, parts.rows("position_embd", positions(ids, lengths()), context, hidden));
  }

  /** Adds each token's vector from a second table to a projection of its vector from the first (Gemma 4). */
  layerInputs(graph: Graph, ids: Tensor, embedded: Tensor): Tensor {
    const { layers, layerInput: width, hidden, norm, epsilon } = this.config;
    if (width === undefined) throw new Error("the layers do not have their own inputs");
    if (this.config.vocabulary !== this.#table)
      throw new UserError(
        `${this.weights.config.path}: an adapter cannot add tokens, because the table of per-layer inputs has no rows for them`,
      );
    const parts = new Parts(this.weights, graph);
    const table = parts.rowsOf("per_layer_token_embd", ids, this.#table, layers * width);
    const projected = parts.project(embedded, { per_layer_model_proj: layers * width });
    const byLayer = [...embedded.shape.slice(0, -1), layers, width];
    const normed = normalise(
      reshape(scale(projected, 1 / Math.sqrt(hidden)), byLayer),
      parts.norm("per_layer_proj_norm", width, { norm, epsilon }),
    );
    const both = plus(reshape(normed, projected.shape), scale(table, Math.sqrt(width)));
    return scale(both, 1 / Math.sqrt(2));
  }

  block(graph: Graph, layer: number, input?: () => Tensor): AttentionBlock | RecurrentBlock {
    const whole = new TransformerLayer(this.config, new Parts(this.weights, graph), layer, input);
    if (!isRecurrent(this.config, layer)) return whole;
    const own = mixerParts(this.weights, graph, layer);
    if (!this.config.sides) return new MixerLayer(whole, own, this.mixer!);
    return new SideBySideLayer(whole, own, this.mixer!, this.config.sides);
  }

  finish(graph: Graph, stream: Stream): Tensor {
    const { hidden, shifted } = this.config;
    const norm = new Parts(this.weights, graph).norm("output_norm", hidden, this.config, shifted);
    return enter(stream, norm).normed;
  }

  logits(graph: Graph, hidden: Tensor): Tensor {
    return this.#capped(new Parts(this.weights, graph).head(hidden, this.#table));
  }

  logitsOf(graph: Graph, hidden: Tensor, ids: readonly number[]): Tensor {
    return this.#capped(new Parts(this.weights, graph).headOf(hidden, this.#table, ids));
  }

  #capped(scores: Tensor): Tensor {
    const { logitScale, logitSoftcap } = this.config;
    const logits = scaled(scores, logitScale);
    return logitSoftcap === undefined ? logits : softcap(logits, logitSoftcap);
  }
}
