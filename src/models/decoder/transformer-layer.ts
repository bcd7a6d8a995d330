import { concat, plus, reshape, scale, sigmoid, split, type Tensor, times } from "../../graph/index.ts";
import { type LatentWeights, latentQkv, latentValues } from "../../nn/latent-attention.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { type Norm, normalise, normaliseEach, normaliseHeads } from "../../nn/norm.ts";
import { cropHeads, type PaddedHeads, padHeads } from "../../nn/padded-heads.ts";
import { enter, type Stream, settle } from "../../nn/stream.ts";
import { UserError } from "../../util/errors.ts";
import { expertName } from "../tensors/names.ts";
import type { Parts } from "../tensors/parts.ts";
import { type AttentionBlock, headsOf, type LayerHeads } from "./decoder.ts";
import { ExpertLayer } from "./expert-layer.ts";
import type { TransformerConfig } from "./transformer.ts";

/** The padding of heads whose size the engine does not support; undefined if it supports them. */
export const paddedHeads = ({
  headSize: padded,
  storedHeadSize: stored,
  pairs,
}: TransformerConfig): PaddedHeads | undefined => (stored === undefined ? undefined : { stored, padded, pairs });

export const scaled = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : scale(x, factor));

/** One layer of a transformer, traced into a graph. */
export class TransformerLayer implements AttentionBlock {
  readonly kind = "attention";
  private readonly experts: ExpertLayer | undefined;

  constructor(
    private readonly config: TransformerConfig,
    private readonly parts: Parts,
    private readonly layer: number,
    /** The layer's own input, if it has one. */
    private readonly input?: () => Tensor,
  ) {
    this.experts = config.experts && new ExpertLayer(config, config.experts, parts, layer);
  }

  get routers(): readonly Tensor[] {
    return this.experts?.routers ?? [];
  }

  attentionIn(stream: Stream) {
    const { normed, residual } = this.mixerIn(stream);
    return { ...this.qkv(normed), residual };
  }

  /** Queries, keys and values from attention's normalised input, and any extra input of the output projection. */
  qkv(normed: Tensor): { qkv: Tensor; beside?: Tensor | undefined } {
    const { fused, headNorm, experts, latent, gatedAttention } = this.config;
    const { heads, kvHeads, headSize } = this.#heads;
    const [query, key] = [heads * headSize, kvHeads * headSize];
    if (experts?.attention) return this.experts!.attentionIn(normed);
    if (latent) return { qkv: latentQkv(normed, this.#latentWeights(latent.epsilon), heads, latent) };
    if (this.config.keysOf?.(this.layer) !== undefined) return { qkv: this.#queries(normed, query) };
    const wide = gatedAttention ? 2 * query : query;
    const projected = fused ? this.#project(normed, { attn_qkv: query + 2 * key }) : this.#qkv(normed, wide, key);
    const { qkv, ...beside } = gatedAttention ? gateApart(projected, { heads, headSize }) : { qkv: projected };
    if (headNorm === undefined || (headNorm === "plain" && !this.config.rope(this.layer)))
      return { qkv: this.#padded(qkv), ...beside };
    const widths = headNorm === "width" ? [query, key] : [headSize, headSize];
    const [q, k] = ["attn_q_norm", "attn_k_norm"].map((name, i) =>
      headNorm === "plain" ? this.#plainNorm : this.#norm(name, widths[i]!),
    ) as [Norm, Norm];
    const norms = { q, k, v: this.config.valueNorm && this.#plainNorm };
    return { qkv: this.#padded(normaliseHeads(qkv, norms, { heads, kvHeads, headSize })), ...beside };
  }

  /** The queries of a layer that attends to another layer's keys, normalised in each head. */
  #queries(normed: Tensor, width: number): Tensor {
    const { headSize } = this.#heads;
    return normaliseEach(this.#project(normed, { attn_q: width }), this.#norm("attn_q_norm", headSize));
  }

  /** The layer's heads, as stored. */
  get #heads(): LayerHeads {
    const { storedHeadSize } = this.config;
    const heads = headsOf(this.config, this.layer);
    return { ...heads, headSize: storedHeadSize ?? heads.headSize };
  }

  #qkv(normed: Tensor, query: number, key: number): Tensor {
    if (!this.config.keysAsValues?.(this.layer))
      return this.#project(normed, { attn_q: query, attn_k: key, attn_v: key });
    const both = this.#project(normed, { attn_q: query, attn_k: key });
    return concat([both, split(both, 2, [query, key])[1]!], 2);
  }

  /** A norm of heads without a gain. */
  get #plainNorm(): Norm {
    return { kind: "rms", epsilon: this.config.epsilon, gain: this.parts.ones(this.#heads.headSize) };
  }

  #padded(qkv: Tensor): Tensor {
    const { heads, kvHeads } = this.config;
    const padded = paddedHeads(this.config);
    return padded ? padHeads(qkv, heads + 2 * kvHeads, padded) : qkv;
  }

  attentionOut(attended: Tensor, residual: Tensor, beside?: Tensor): Stream {
    return this.mixerOut(this.projected(attended, beside), residual);
  }

  /** The output projection of attention's result. */
  projected(attended: Tensor, beside?: Tensor): Tensor {
    const { hidden, heads, experts, latent } = this.config;
    if (experts?.attention) return this.experts!.attentionOut(attended, beside!);
    if (latent) return this.#project(latentValues(attended, heads, latent), { attn_output: hidden });
    const padded = paddedHeads(this.config);
    const whole = padded ? cropHeads(attended, heads, padded) : attended;
    const gated = beside ? times(whole, sigmoid(beside)) : whole;
    return this.#project(gated, { attn_output: hidden });
  }

  #latentWeights(epsilon = this.config.epsilon): LatentWeights {
    const place = (part: string) => this.#prefix + part;
    const byHead = (name: string, heads: number, outputs: number) =>
      Object.fromEntries(Array.from({ length: heads }, (_, head) => [expertName(place(name), head, heads), outputs]));
    return {
      project: (x, name, outputs) => this.#project(x, { [name]: outputs }),
      norm: (name, width) => this.parts.norm(place(name), width, { norm: "rms", epsilon }),
      byHead: this.parts.has(`${expertName(place("attn_k_b"), 0, this.config.heads)}.weight`),
      projectHeads: (x, name, heads, outputs) => this.parts.project(x, byHead(name, heads, outputs)),
    };
  }

  /** The input of a mixer that replaces attention. */
  mixerIn(stream: Stream): { normed: Tensor; residual: Tensor } {
    return this.#enter(stream, "attn_norm");
  }

  /** The stream after the mixer. */
  mixerOut(mixed: Tensor, residual: Tensor): Stream {
    return { branch: this.#leave(mixed, "post_attention_norm"), residual };
  }

  feedForward(stream: Stream, share = 1, some?: Tensor): Stream {
    const after = this.#withInput(this.#fed(stream, share, some));
    const name = `${this.#prefix}layer_output_scale.weight`;
    if (!this.config.scaledOutputs || !this.parts.has(name)) return after;
    const factor = this.parts.factor(name, this.config.hidden);
    return { branch: times(after.branch, factor), residual: times(after.residual!, factor) };
  }

  /** Adds the gated projection of the layer's own input to the stream. */
  #withInput(stream: Stream): Stream {
    const { layerInput: width, hidden, activation } = this.config;
    if (width === undefined) return stream;
    if (!this.input) throw new Error(`layer ${this.layer} runs without its input`);
    const residual = settle(stream);
    const gate = this.#project(residual, { inp_gate: width });
    const inside = activateMlp(concat([gate, this.input()], gate.shape.length - 1), activation, true);
    return { branch: this.#leave(this.#project(inside, { proj: hidden }), "post_norm"), residual };
  }

  #fed(stream: Stream, share: number, some: Tensor | undefined): Stream {
    const { hidden, activation, gated, experts, hasFeedForward, feedForwardScale = 1 } = this.config;
    if ((share === 0 && !some) || hasFeedForward?.(this.layer) === false) return stream;
    const { normed, residual } = this.#enterFeedForward(stream);
    const withResidual = (y: Tensor) => ({
      branch: this.#leave(scaled(y, feedForwardScale), "post_ffw_norm"),
      residual,
    });
    if (share < 1 && !some) return withResidual(this.#narrow(normed, share));
    const mask = some && this.#keptNeurons(share, some);
    if (experts?.has(this.layer) && !experts.beside) return withResidual(this.experts!.feedForward(normed));
    const inside = activateMlp(this.#project(normed, this.#inner), activation, gated);
    const dense = this.#project(mask ? times(inside, mask) : inside, { ffn_down: hidden });
    return withResidual(experts?.beside ? this.#besideExperts(dense, residual) : dense);
  }

  /** Adds the output of the experts, which read the stream in parallel, to the dense feed-forward's output. */
  #besideExperts(dense: Tensor, stream: Tensor): Tensor {
    const { hidden } = this.config;
    const normed = (x: Tensor, name: string) => normalise(x, this.#norm(name, hidden));
    const mixed = this.experts!.feedForward(normed(stream, "pre_ffw_norm_2"), stream);
    return plus(normed(dense, "post_ffw_norm_1"), normed(mixed, "post_ffw_norm_2"));
  }

  /** Width of the feed-forward. */
  get #ffn(): number {
    return this.config.ownFfn?.(this.layer) ?? this.config.ffn;
  }

  /** The matrices before the activation, with their numbers of outputs. */
  get #inner(): Readonly<Record<string, number>> {
    const { fused, gated } = this.config;
    const ffn = this.#ffn;
    return gated ? (fused ? { ffn_up: 2 * ffn } : { ffn_gate: ffn, ffn_up: ffn }) : { ffn_up: ffn };
  }

  /** The first neurons of a feed-forward, as a separate feed-forward. */
  #piece(share: number) {
    const { experts } = this.config;
    const ffn = this.#ffn;
    if (experts?.has(this.layer)) throw new UserError("a mixture of experts cannot run part of its feed-forward", 2);
    return { size: ffn, kept: share === 0 ? 0 : Math.max(1, Math.floor(share * ffn)) };
  }

  #narrow(normed: Tensor, share: number): Tensor {
    const { hidden, gated, activation } = this.config;
    const piece = this.#piece(share);
    const outputs = this.#named(this.#inner);
    const inside = this.parts.projectPart(normed, outputs, "outputs", gated ? [piece, piece] : [piece]);
    const down = this.#named({ ffn_down: hidden });
    return this.parts.projectPart(activateMlp(inside, activation, gated), down, "inputs", [piece]);
  }

  /** A mask [batch, tokens, neurons]: 0 for neurons that the tokens marked in `some` skip, else 1. */
  #keptNeurons(share: number, some: Tensor): Tensor {
    const { hidden } = this.config;
    const { size, kept } = this.#piece(share);
    this.parts.requirePart(hidden, this.#named(this.#inner));
    this.parts.requirePart(size, this.#named({ ffn_down: hidden }));
    return this.parts.firstOf(size, kept, some);
  }

  /** The feed-forward's normalised input, and the residual. Parallel feed-forwards read the stream before attention. */
  #enterFeedForward(stream: Stream): { normed: Tensor; residual: Tensor } {
    const { parallel, hidden } = this.config;
    if (!parallel) return this.#enter(stream, "ffn_norm");
    return { normed: normalise(stream.residual!, this.#norm("attn_norm", hidden)), residual: settle(stream) };
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
    const { norm, epsilon, layerEpsilon = epsilon, shifted } = this.config;
    return this.parts.norm(`blk.${this.layer}.${name}`, width, { norm, epsilon: layerEpsilon }, shifted);
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

/** Separates the gates, which follow each head's query, from q, k and v. */
function gateApart(projected: Tensor, { heads, headSize }: { readonly heads: number; readonly headSize: number }) {
  const rows = projected.shape.slice(0, 2);
  const width = heads * headSize;
  const [queries, rest] = split(projected, 2, [2 * width, Number(projected.shape[2]) - 2 * width]) as [Tensor, Tensor];
  const [q, gate] = split(reshape(queries, [...rows, heads, 2 * headSize]), 3, [headSize, headSize]).map((part) =>
    reshape(part, [...rows, width]),
  ) as [Tensor, Tensor];
  return { qkv: concat([q, rest], 2), beside: gate };
}
