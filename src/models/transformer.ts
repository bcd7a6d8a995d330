import { type Graph, plus, positions, scale, softcap, type Tensor, times } from "../graph/index.ts";
import { type Activation, activateMlp } from "../nn/mlp.ts";
import type { RouterConfig } from "../nn/moe/route.ts";
import { type Norm, normalise, normaliseHeads } from "../nn/norm.ts";
import { cropHeads, type PaddedHeads, padHeads, padTable } from "../nn/padded-heads.ts";
import { type RopeConfig, ropeName, ropeRows, ropeTable } from "../nn/rope.ts";
import { type Axes, axisTable, type Tables } from "../nn/rope-axes.ts";
import { enter, type Stream, settle } from "../nn/stream.ts";
import { tokensWith } from "../nn/token-rows.ts";
import { UserError } from "../util/errors.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import { type AttentionBlock, type Decoder, type DecoderConfig, headSizeOf } from "./decoder.ts";
import { ExpertLayer } from "./expert-layer.ts";
import { Parts } from "./parts.ts";

/** Mixtures of experts in place of the feed-forwards of some layers. */
export interface ExpertsConfig extends RouterConfig {
  /** Width of one expert's feed-forward. */
  readonly width: number;
  /** A feed-forward beside them that every token runs; gated: its output is weighed by a sigmoid of its input. */
  readonly shared?: { readonly width: number; readonly gated: boolean } | undefined;
  /** True for layers that have them. */
  has(layer: number): boolean;
  /** True if attention is a mixture, too, whose experts share keys and values; both mixtures have a bias (JetMoE). */
  readonly attention?: boolean;
}

/** The configuration of a decoder, which an architecture reads; `plain` has the values that most share. */
export interface TransformerConfig extends DecoderConfig {
  /** Width of the feed-forward. */
  readonly ffn: number;
  readonly experts?: ExpertsConfig | undefined;
  readonly epsilon: number;
  /** The layers' norms have this one if it is not `epsilon`. */
  readonly layerEpsilon?: number;
  readonly norm: Norm["kind"];
  /** Normalises a sublayer's input, its output, or both. */
  readonly norms: "before" | "after" | "around";
  /** Normalises queries and keys: over each head, or over all heads together. */
  readonly headNorm?: "head" | "width";
  /** Parts of a layer that must have a bias (`attn_q`); others may. */
  readonly biases: readonly string[];
  /** True if q, k and v are one tensor, `attn_qkv`, and gate and up another, `ffn_up`. */
  readonly fused: boolean;
  readonly activation: Activation;
  readonly gated: boolean;
  /** Which elements of a head are rotated together. */
  readonly pairs: "interleaved" | "half";
  /** A layer's rotary embedding; undefined if it has none. */
  rope(layer: number): RopeConfig | undefined;
  /** Pairs of a head that turn by each axis of a position; absent: a position is one number. */
  readonly sections?: Axes<number>;
  window(layer: number): number | undefined;
  /** True if each position has a vector that is added to its token's (`position_embd`). */
  readonly learnedPositions: boolean;
  readonly attentionScale: number;
  readonly embeddingScale: number;
  /** A factor for a sublayer's output before it is added to the stream. */
  readonly residualScale: number;
  readonly logitScale: number;
  readonly attentionSoftcap?: number | undefined;
  readonly logitSoftcap?: number | undefined;
}

const paddedHeads = ({
  headSize: padded,
  storedHeadSize: stored,
  pairs,
}: TransformerConfig): PaddedHeads | undefined => (stored === undefined ? undefined : { stored, padded, pairs });

const scaled = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : scale(x, factor));

/** A decoder by its configuration: the stack that all architectures use. */
export class Transformer implements Decoder {
  readonly config: TransformerConfig;
  /** Rows of the token table; an adapter may add tokens. */
  readonly #table: number;

  constructor(
    config: TransformerConfig,
    readonly weights: WeightSource,
  ) {
    this.#table = config.vocabulary;
    this.config = { ...config, vocabulary: tokensWith(config.vocabulary, weights.tokens) };
  }

  attention(layer: number) {
    const { heads, kvHeads, headSize, attentionScale, pairs, attentionSoftcap: softcap } = this.config;
    const rope = this.config.rope(layer);
    return {
      ...{ heads, kvHeads, headSize, scale: attentionScale, rotary: rope ? pairs : ("none" as const) },
      ...(rope && rope.headSize !== headSizeOf(this.config) && { rotated: rope.headSize }),
      window: this.config.window(layer),
      softcap,
    };
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
      const name = `${ropeName(of, rope)}.${sections.join(".")}.${axis}`;
      return this.weights.computed(graph, name, [ropeRows(rope), rope.headSize / 2], () =>
        axisTable(of, rope, sections, axis),
      );
    };
    const tables = (axis: number) => ({ cos: table("cos", axis), sin: table("sin", axis) });
    return [tables(0), tables(1), tables(2)];
  }

  /** A GGUF stores divisors in tensors. */
  #withFactors(rope: RopeConfig): RopeConfig {
    const { scaling } = rope;
    if (this.weights.config.kind !== "gguf") return rope;
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
    const found = this.weights.values(name);
    if (!found) return undefined;
    const divisors = [...found];
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

  block(graph: Graph, layer: number): AttentionBlock {
    return new Layer(this.config, new Parts(this.weights, graph), layer);
  }

  finish(graph: Graph, stream: Stream): Tensor {
    return enter(stream, new Parts(this.weights, graph).norm("output_norm", this.config.hidden, this.config)).normed;
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

/** One layer of a transformer, traced into a graph. */
class Layer implements AttentionBlock {
  readonly kind = "attention";
  private readonly experts: ExpertLayer | undefined;

  constructor(
    private readonly config: TransformerConfig,
    private readonly parts: Parts,
    private readonly layer: number,
  ) {
    this.experts = config.experts && new ExpertLayer(config, config.experts, parts, layer);
  }

  get routers(): readonly Tensor[] {
    return this.experts?.routers ?? [];
  }

  attentionIn(stream: Stream) {
    const { heads, kvHeads, fused, headNorm, experts } = this.config;
    const headSize = headSizeOf(this.config);
    const [query, key] = [heads * headSize, kvHeads * headSize];
    const { normed, residual } = this.#enter(stream, "attn_norm");
    if (experts?.attention) return { ...this.experts!.attentionIn(normed), residual };
    const outputs = fused ? { attn_qkv: query + 2 * key } : { attn_q: query, attn_k: key, attn_v: key };
    const qkv = this.#project(normed, outputs);
    if (headNorm === undefined) return { qkv: this.#padded(qkv), residual };
    const widths = headNorm === "head" ? [headSize, headSize] : [query, key];
    const [q, k] = [this.#norm("attn_q_norm", widths[0]!), this.#norm("attn_k_norm", widths[1]!)];
    return { qkv: this.#padded(normaliseHeads(qkv, q, k, { heads, kvHeads, headSize })), residual };
  }

  #padded(qkv: Tensor): Tensor {
    const { heads, kvHeads } = this.config;
    const padded = paddedHeads(this.config);
    return padded ? padHeads(qkv, heads + 2 * kvHeads, padded) : qkv;
  }

  attentionOut(attended: Tensor, residual: Tensor, beside?: Tensor): Stream {
    const { hidden, heads } = this.config;
    const padded = paddedHeads(this.config);
    const out = beside
      ? this.experts!.attentionOut(attended, beside)
      : this.#project(padded ? cropHeads(attended, heads, padded) : attended, { attn_output: hidden });
    return { branch: this.#leave(out, "post_attention_norm"), residual };
  }

  feedForward(stream: Stream, share = 1, some?: Tensor): Stream {
    const { hidden, activation, gated, experts } = this.config;
    const { normed, residual } = this.#enter(stream, "ffn_norm");
    if (share < 1 && !some) return { branch: this.#leave(this.#narrow(normed, share), "post_ffw_norm"), residual };
    const kept = some && this.#keptNeurons(share, some);
    if (experts?.has(this.layer))
      return { branch: this.#leave(this.experts!.feedForward(normed), "post_ffw_norm"), residual };
    const inside = activateMlp(this.#project(normed, this.#inner), activation, gated);
    const shown = kept ? times(inside, kept) : inside;
    return { branch: this.#leave(this.#project(shown, { ffn_down: hidden }), "post_ffw_norm"), residual };
  }

  /** The matrices before the activation. */
  get #inner(): Readonly<Record<string, number>> {
    const { ffn, fused, gated } = this.config;
    return gated ? (fused ? { ffn_up: 2 * ffn } : { ffn_gate: ffn, ffn_up: ffn }) : { ffn_up: ffn };
  }

  /** The first neurons of a feed-forward. */
  #piece(share: number) {
    const { ffn, experts } = this.config;
    if (experts?.has(this.layer)) throw new UserError("a mixture of experts has no part of a feed-forward", 2);
    return { size: ffn, kept: Math.max(1, Math.floor(share * ffn)) };
  }

  #narrow(normed: Tensor, share: number): Tensor {
    const { hidden, gated, activation } = this.config;
    const piece = this.#piece(share);
    const outputs = this.#named(this.#inner);
    const inside = this.parts.projectPart(normed, outputs, "outputs", gated ? [piece, piece] : [piece]);
    const down = this.#named({ ffn_down: hidden });
    return this.parts.projectPart(activateMlp(inside, activation, gated), down, "inputs", [piece]);
  }

  /** 0 for the neurons that tokens in `some` do without, else 1: [batch, tokens, neurons]. */
  #keptNeurons(share: number, some: Tensor): Tensor {
    const { hidden } = this.config;
    const { size, kept } = this.#piece(share);
    this.parts.requirePart(hidden, this.#named(this.#inner));
    this.parts.requirePart(size, this.#named({ ffn_down: hidden }));
    return this.parts.firstOf(size, kept, some);
  }

  #enter(stream: Stream, name: string): { normed: Tensor; residual: Tensor } {
    if (this.config.norms !== "after") return enter(stream, this.#norm(name, this.config.hidden));
    const residual = settle(stream);
    return { normed: residual, residual };
  }

  #leave(branch: Tensor, name: string): Tensor {
    const { norms, hidden, residualScale } = this.config;
    const normed = norms === "before" ? branch : normalise(branch, this.#norm(name, hidden));
    return scaled(normed, residualScale);
  }

  #norm(name: string, width: number): Norm {
    const { norm, epsilon, layerEpsilon = epsilon } = this.config;
    return this.parts.norm(`blk.${this.layer}.${name}`, width, { norm, epsilon: layerEpsilon });
  }

  #project(x: Tensor, outputs: Readonly<Record<string, number>>): Tensor {
    const { length } = this.#prefix;
    return this.parts.project(x, this.#named(outputs), (name) => this.config.biases.includes(name.slice(length)));
  }

  get #prefix(): string {
    return `blk.${this.layer}.`;
  }

  #named(outputs: Readonly<Record<string, number>>): Record<string, number> {
    return Object.fromEntries(Object.entries(outputs).map(([part, n]) => [this.#prefix + part, n]));
  }
}
