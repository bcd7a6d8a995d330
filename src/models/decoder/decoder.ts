import type { AttentionAttrs, Graph, Tensor } from "../../graph/index.ts";
import type { Axes, Tables } from "../../nn/rope-axes.ts";
import type { Stream } from "../../nn/stream.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";

/** The configuration that all decoders share. */
export interface DecoderConfig {
  readonly layers: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  /** The numbers of attention heads and of key–value heads, and the head size; all 0 in a model without attention. */
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /**
   * A layer's key and value heads, and their size, if layers differ; in that case, the sizes above apply to most
   * layers.
   */
  ownHeads?(layer: number): Pick<LayerHeads, "kvHeads" | "headSize">;
  /** The earlier layer whose keys and values a layer attends to, instead of its own; undefined if it has its own. */
  keysOf?(layer: number): number | undefined;
  /** The width of each layer's own input from a token, separate from the stream; absent if layers have none. */
  readonly layerInput?: number | undefined;
  /** Width of a head in the weights, if attention's heads are padded with zeros; `headSize` if absent. */
  readonly storedHeadSize?: number | undefined;
  readonly vocabulary: number;
  /** The maximum number of positions in training. */
  readonly context: number;
  /**
   * The length beyond which a sequence uses the long rope factors for all its tokens (LongRoPE); they start this many
   * rows further down in the rotary tables. Tokens that ran while the sequence was shorter run again.
   */
  readonly longRopeBeyond?: number | undefined;
  /**
   * The number of keys that a layer's queries see, including their own; undefined if they see all keys. Absent if no
   * layer has a window.
   */
  window?(layer: number): number | undefined;
  /** The width of the output projection's extra input, besides attention's result; absent without such an input. */
  readonly beside?: number;
  /** Pairs of a head's elements rotated together; adjacent elements in a GGUF. Absent without rotary embedding. */
  readonly pairs?: "interleaved" | "half";
  /** True if Hugging Face's checkpoints have the rows of q and k in the same order as a GGUF. */
  readonly pairsAsPublished?: boolean;
  /** The number of experts in each mixture, and of active experts per token; absent if the model has no experts. */
  readonly experts?: { readonly count: number; readonly active: number } | undefined;
  /** True if a token's position has a time, a height and a width (M-RoPE). */
  readonly axes?: boolean;
  /** True if the tokens of one image see each other in both directions. */
  readonly wholeImages?: boolean;
  /** True if a token also sees later tokens: the model embeds texts and does not generate. */
  readonly bothWays?: boolean;
  /** Present if the model fills in masked tokens. */
  readonly denoiser?: DenoiserConfig;
  /**
   * The number of floats in a recurrent layer's state for one sequence; undefined for a layer without such a state,
   * absent if no layer has one.
   */
  recurrent?(layer: number): number | undefined;
  /** Present if recurrent layers also have attention, in parallel. */
  readonly sides?: SideScales;
}

/** Factors for attention's input, and for the outputs of attention and of the mixer beside it. */
export interface SideScales {
  readonly attentionIn: number;
  readonly attentionOut: number;
  readonly mixerOut: number;
}

/** A model that fills in masked tokens: each token sees all others, and no step is causal. */
export interface DenoiserConfig {
  /** The id of the mask token; if undefined, the tokenizer's mask token is used. */
  readonly mask: number | undefined;
  /** True if a token's logits are at the previous position, as in a causal model. */
  readonly shifted: boolean;
}

/** The heads of one layer. */
export interface LayerHeads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

type Heads = LayerHeads & Pick<DecoderConfig, "ownHeads" | "keysOf">;

export function headsOf({ heads, kvHeads, headSize, ownHeads }: Heads, layer: number): LayerHeads {
  return { heads, kvHeads, headSize, ...ownHeads?.(layer) };
}

/** The width of a token's queries, keys and values in a layer, or of its queries if another layer has the keys. */
export function qkvWidth(config: Heads, layer: number): number {
  const { heads, kvHeads, headSize } = headsOf(config, layer);
  return (config.keysOf?.(layer) === undefined ? heads + 2 * kvHeads : heads) * headSize;
}

/** Width of attention's result in a layer. */
export function attendedWidth(config: Heads, layer: number): number {
  const { heads, headSize } = headsOf(config, layer);
  return heads * headSize;
}

/** The largest value of a width over all layers. */
export const widest = (config: DecoderConfig, width: typeof qkvWidth): number =>
  Math.max(...Array.from({ length: config.layers }, (_, layer) => width(config, layer)));

/** The total width of all layers' own inputs for a token; 0 if they have none. */
export const inputWidth = ({ layers, layerInput = 0 }: DecoderConfig): number => layers * layerInput;

/** Width of a head in the weights, in models whose layers have heads of equal size. */
export const headSizeOf = ({ headSize, storedHeadSize = headSize }: DecoderConfig): number => storedHeadSize;

/** One layer of either kind. */
type Block = AttentionBlock | RecurrentBlock;

/** An attention layer in which savings may replace attention or the feed-forward. */
export interface AttentionBlock {
  readonly kind: "attention";
  /**
   * Everything before the attention: qkv [batch, tokens, (heads + 2·kvHeads)·headSize], or only the queries if another
   * layer has the keys; and `beside` [batch, tokens, config.beside], the extra input of the output projection, if the
   * model has one. A layer that also keeps a state takes the state and returns the next one; without a state, sequences
   * are whole and have gradients.
   */
  attentionIn(
    stream: Stream,
    state?: Tensor,
  ): { qkv: Tensor; residual: Tensor; beside?: Tensor | undefined; state?: Tensor };
  /** The output projection of attention's result, [batch, tokens, heads·headSize]. */
  attentionOut(attended: Tensor, residual: Tensor, beside?: Tensor): Stream;
  /**
   * If `share` is below 1, only this share of the neurons runs, beginning with the first; 0 leaves the stream
   * unchanged. With `some` i64 [batch, tokens], all neurons run, and those beyond the share are masked for tokens with
   * a 1.
   * @throws UserError if the weights cannot be split: experts, adapted weights, or weights with biases
   */
  feedForward(stream: Stream, share?: number, some?: Tensor): Stream;
  /** Updates the state like a recurrent layer; absent if the layer keeps no state. */
  update?(stream: Stream, state: Tensor): Tensor;
  /** Logits [batch, tokens, experts] of the routers traced so far; absent if the model has no routers. */
  readonly routers?: readonly Tensor[];
}

/** A layer with a state of fixed size instead of keys and values. */
export interface RecurrentBlock {
  readonly kind: "recurrent";
  /** Runs a text's next tokens; `state` is [batch, floats], zeros before the first token. Also returns the next state. */
  run(stream: Stream, state: Tensor): { readonly stream: Stream; readonly state: Tensor };
  /** Computes only the next state. */
  update(stream: Stream, state: Tensor): Tensor;
  /** Runs entire sequences from their first token on, with gradients. */
  train(stream: Stream): Stream;
  /** Like an attention layer's `routers`. */
  readonly routers?: readonly Tensor[];
}

type Kinds = Pick<DecoderConfig, "layers" | "recurrent" | "sides" | "keysOf">;

/** True if a layer keeps a state of fixed size. */
export const isRecurrent = ({ recurrent }: Pick<Kinds, "recurrent">, layer: number): boolean =>
  recurrent?.(layer) !== undefined;

/** True if a layer attends to keys and values, its own or another layer's. */
export const attends = (config: Omit<Kinds, "layers">, layer: number): boolean =>
  config.sides !== undefined || !isRecurrent(config, layer);

/** True if a layer keeps its own keys and values. */
export const keepsKeys = (config: Omit<Kinds, "layers">, layer: number): boolean =>
  attends(config, layer) && config.keysOf?.(layer) === undefined;

/** True if some layers attend to other layers' keys and values. */
export const sharesKeys = ({ layers, keysOf }: Kinds): boolean =>
  Array.from({ length: layers }, (_, layer) => keysOf?.(layer)).some((owner) => owner !== undefined);

/** The layers of one kind, ascending; a layer of both kinds is in both lists. */
export const layersOf = (config: Kinds, kind: Block["kind"]): number[] => {
  const isOfKind = kind === "recurrent" ? isRecurrent : attends;
  return Array.from({ length: config.layers }, (_, layer) => layer).filter((layer) => isOfKind(config, layer));
};

/** True if any layer is recurrent, so that a text can continue only from positions with stored states. */
export const hasRecurrent = (config: Kinds): boolean => layersOf(config, "recurrent").length > 0;

/** True if the last layer has attention, so that the part after it runs only for tokens whose logits are needed. */
export const endsInAttention = (config: Kinds): boolean => attends(config, config.layers - 1);

/** The reason why a model's layers cannot use byte weights; undefined if they can. */
export function unsupportedInBytes(config: Kinds & Pick<DecoderConfig, "experts">): string | undefined {
  if (hasRecurrent(config)) return "recurrent layers, whose steps are too sensitive to rounding";
  return config.experts ? "experts, whose matrices do not support byte weights" : undefined;
}

/** Traces an attention layer. @throws Error if the layer has no attention */
export function attentionBlock(decoder: Decoder, graph: Graph, layer: number, input?: () => Tensor): AttentionBlock {
  const block = decoder.block(graph, layer, input);
  if (block.kind === "attention") return block;
  throw new Error(`layer ${layer} is recurrent and has no attention`);
}

/** Traces the next state of a recurrent layer. @throws Error if the layer keeps no state */
export function nextState(decoder: Decoder, graph: Graph, layer: number, stream: Stream, state: Tensor): Tensor {
  const next = decoder.block(graph, layer).update?.(stream, state);
  if (next) return next;
  throw new Error(`layer ${layer} is an attention layer and keeps no state`);
}

/** The first attention layer, or the first layer if no layer has attention. */
export const firstAttending = (config: Kinds): number => layersOf(config, "attention")[0] ?? 0;

/** Attention's attributes in the first attention layer. @throws Error if no layer has attention */
export const firstAttention = (decoder: Decoder): ReturnType<Decoder["attention"]> =>
  decoder.attention(firstAttending(decoder.config));

/** A model's forward pass as a stack of blocks. The engine cuts it into graphs, and blocks are traced into them. */
export interface Decoder {
  readonly config: DecoderConfig;
  /** Attention's attributes in a layer, without the cached length. @throws Error if the layer is recurrent */
  attention(layer: number): Omit<AttentionAttrs, "past">;
  /** Rotary tables for a layer's attention; undefined if the layer has none. */
  rotary(graph: Graph, layer: number): { cos: Tensor; sin: Tensor } | undefined;
  /** Factors for a layer's queries by position, f32 [positions]; undefined if the layer has none. */
  temperature?(graph: Graph, layer: number): Tensor | undefined;
  /** The sinks of a layer's heads, f32 [heads]; absent if no layer has sinks. */
  sinks?(graph: Graph, layer: number): Tensor | undefined;
  /** Rotary tables by axis, for a model whose positions have several axes; `rotary` then applies only to texts. */
  axes?(graph: Graph, layer: number): Axes<Tables> | undefined;
  /** ids i64 [batch, tokens] → [batch, tokens, hidden]; `lengths`, as in attention, is for learned positions. */
  embed(graph: Graph, ids: Tensor, lengths: () => Tensor): Tensor;
  /**
   * All layers' own inputs, [batch, tokens, layers · layerInput], from the tokens' ids and the output of `embed`; absent if
   * layers have none.
   */
  layerInputs?(graph: Graph, ids: Tensor, embedded: Tensor): Tensor;
  /** `input` returns the layer's own input [batch, tokens, layerInput], if layers have one, for its feed-forward. */
  block(graph: Graph, layer: number, input?: () => Tensor): Block;
  /** The normalised residual stream after the last block, which is the input of `logits`. */
  finish(graph: Graph, stream: Stream): Tensor;
  /** [batch, tokens, hidden] → [batch, tokens, vocabulary]. */
  logits(graph: Graph, hidden: Tensor): Tensor;
  /** Like `logits`, for some tokens only: [batch, tokens, ids]. */
  logitsOf(graph: Graph, hidden: Tensor, ids: readonly number[]): Tensor;
}

/** An architecture, defined in one file of this folder. */
export interface Architecture {
  /** Reads the configuration. @throws UserError that names the key */
  configure(config: ConfigSource): DecoderConfig;
  /** The names of tensors for unused parts, such as image encoders. */
  unread(checkpoint: Checkpoint): readonly string[];
  /** Maps canonical tensor names to the checkpoint's names. */
  tensors(checkpoint: Checkpoint): Names;
  /** Possible names of a matrix's module in Hugging Face's code, by its canonical name without `.weight`. */
  modules(canonical: string, config: ConfigSource): readonly string[];
  /** The index of a matrix in a module that holds several; if absent, each matrix is a module. */
  part?(canonical: string): readonly [at: number, of: number] | undefined;
  open(weights: WeightSource): Decoder;
}
