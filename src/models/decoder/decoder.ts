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
  /** The number of attention heads, of key and value heads, and their size; all 0 in a model without attention. */
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** A layer's heads of keys and values, and their size, if layers differ; the sizes above are then the most common ones. */
  ownHeads?(layer: number): Pick<LayerHeads, "kvHeads" | "headSize">;
  /** The earlier layer whose keys and values a layer attends to, which has none of its own; undefined: it has. */
  keysOf?(layer: number): number | undefined;
  /** Width of the input that each layer has of a token beside the stream; absent: layers have none. */
  readonly layerInput?: number | undefined;
  /** Width of a head in the weights, if attention's heads are wider by zeros; absent: `headSize`. */
  readonly storedHeadSize?: number | undefined;
  readonly vocabulary: number;
  /** Positions the model was trained for. */
  readonly context: number;
  /**
   * The length beyond which a sequence uses the long rope factors, from its first token on (LongRoPE), which lie this
   * many rows further on in the rotary tables. Tokens that ran while it was shorter run again.
   */
  readonly longRopeBeyond?: number | undefined;
  /**
   * The number of keys that a layer's queries see, their own included; undefined: all. Absent if no layer has a window.
   */
  window?(layer: number): number | undefined;
  /** Width of what a layer's output projection reads beside attention's result; absent: it reads nothing else. */
  readonly beside?: number;
  /** Which elements of a head are rotated together, and lie side by side in a GGUF; absent if nothing is rotated. */
  readonly pairs?: "interleaved" | "half";
  /** True if Hugging Face's checkpoints also have them side by side: a GGUF has the rows of q and k in the same order. */
  readonly pairsAsPublished?: boolean;
  /** Experts of each mixture, and those that a token runs; absent if the model has none. */
  readonly experts?: { readonly count: number; readonly active: number } | undefined;
  /** True if a token's position has a time, a height and a width (M-RoPE). */
  readonly axes?: boolean;
  /** True if the tokens of one image see each other in both directions. */
  readonly wholeImages?: boolean;
  /** True if a token also sees later ones: the model embeds texts and does not generate. */
  readonly bothWays?: boolean;
  /** Present if the model fills in masked tokens. */
  readonly denoiser?: DenoiserConfig;
  /** Floats of the state that a recurrent layer keeps of a sequence; undefined: it attends. Absent if all layers do. */
  recurrent?(layer: number): number | undefined;
  /** Present if recurrent layers attend as well, side by side. */
  readonly sides?: SideScales;
}

/** Factors for attention's input, and for the outputs of attention and of the mixer beside it. */
export interface SideScales {
  readonly attentionIn: number;
  readonly attentionOut: number;
  readonly mixerOut: number;
}

/** A model that fills in masked tokens: each token sees every other, and no step of it is causal. */
export interface DenoiserConfig {
  /** The id of the token that stands in masked places; undefined: the tokenizer's. */
  readonly mask: number | undefined;
  /** True if a token's logits stand at the place before it, as in a causal model. */
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

/** Width of a token's queries, keys and values in a layer: of its queries alone if the keys are another layer's. */
export function qkvWidth(config: Heads, layer: number): number {
  const { heads, kvHeads, headSize } = headsOf(config, layer);
  return (config.keysOf?.(layer) === undefined ? heads + 2 * kvHeads : heads) * headSize;
}

/** Width of attention's result in a layer. */
export function attendedWidth(config: Heads, layer: number): number {
  const { heads, headSize } = headsOf(config, layer);
  return heads * headSize;
}

/** The greatest of a width of all layers. */
export const widest = (config: DecoderConfig, width: typeof qkvWidth): number =>
  Math.max(...Array.from({ length: config.layers }, (_, layer) => width(config, layer)));

/** Width of the inputs that all layers have of a token; 0 if they have none. */
export const inputWidth = ({ layers, layerInput = 0 }: DecoderConfig): number => layers * layerInput;

/** Width of a head in the weights, in models whose layers have the same heads. */
export const headSizeOf = ({ headSize, storedHeadSize = headSize }: DecoderConfig): number => storedHeadSize;

/** One layer. */
type Block = AttentionBlock | RecurrentBlock;

/** A layer that attends, open at its seams: attention and feed-forward are each between two of its functions. */
export interface AttentionBlock {
  readonly kind: "attention";
  /**
   * Everything before the attention: qkv [batch, tokens, (heads + 2·kvHeads)·headSize], or the queries alone if the keys are another layer's, and what the output projection
   * reads of it, `beside` [batch, tokens, config.beside], if the model has that. A layer that keeps a state as well takes it, and
   * gives the next one; without it, sequences are whole, and have gradients.
   */
  attentionIn(
    stream: Stream,
    state?: Tensor,
  ): { qkv: Tensor; residual: Tensor; beside?: Tensor | undefined; state?: Tensor };
  /** The output projection of attention's result, [batch, tokens, heads·headSize]. */
  attentionOut(attended: Tensor, residual: Tensor, beside?: Tensor): Stream;
  /**
   * `share` below 1: with only that share of the neurons, the first ones; 0 leaves the stream as it is. With `some` i64 [batch, tokens] all neurons
   * run, and the rest of them is hidden from tokens that have a 1.
   * @throws UserError if a part of the weights cannot be taken: of experts, adapted ones, or ones with biases
   */
  feedForward(stream: Stream, share?: number, some?: Tensor): Stream;
  /** Updates the state as a recurrent layer does; absent if the layer keeps none. */
  update?(stream: Stream, state: Tensor): Tensor;
  /** Logits [batch, tokens, experts] of the routers that were traced so far; absent if the model has none. */
  readonly routers?: readonly Tensor[];
}

/** A layer that keeps a state of fixed size in place of keys and values. */
export interface RecurrentBlock {
  readonly kind: "recurrent";
  /** New tokens after others, whose `state` is [batch, floats]: zeros before the first. Also returns the next state. */
  run(stream: Stream, state: Tensor): { readonly stream: Stream; readonly state: Tensor };
  /** The next state alone: nothing that it does not need is computed. */
  update(stream: Stream, state: Tensor): Tensor;
  /** Whole sequences from their first token on, with gradients. */
  train(stream: Stream): Stream;
  /** As in a layer that attends. */
  readonly routers?: readonly Tensor[];
}

type Kinds = Pick<DecoderConfig, "layers" | "recurrent" | "sides" | "keysOf">;

/** True if a layer keeps a state of fixed size. */
export const isRecurrent = ({ recurrent }: Pick<Kinds, "recurrent">, layer: number): boolean =>
  recurrent?.(layer) !== undefined;

/** True if a layer attends to keys and values, be they its own or another layer's. */
export const attends = (config: Omit<Kinds, "layers">, layer: number): boolean =>
  config.sides !== undefined || !isRecurrent(config, layer);

/** True if a layer keeps keys and values of its own. */
export const keepsKeys = (config: Omit<Kinds, "layers">, layer: number): boolean =>
  attends(config, layer) && config.keysOf?.(layer) === undefined;

/** True if some layers attend to other layers' keys and values. */
export const sharesKeys = ({ layers, keysOf }: Kinds): boolean =>
  Array.from({ length: layers }, (_, layer) => keysOf?.(layer)).some((owner) => owner !== undefined);

/** The layers of one kind, ascending; one that is of both is among each. */
export const layersOf = (config: Kinds, kind: Block["kind"]): number[] => {
  const isOfKind = kind === "recurrent" ? isRecurrent : attends;
  return Array.from({ length: config.layers }, (_, layer) => layer).filter((layer) => isOfKind(config, layer));
};

/** True if any layer is recurrent: a text can then be continued only from where its states are. */
export const hasRecurrent = (config: Kinds): boolean => layersOf(config, "recurrent").length > 0;

/** True if the model's last layer attends: what follows its attention runs for the wanted tokens alone. */
export const endsInAttention = (config: Kinds): boolean => attends(config, config.layers - 1);

/** The reason why a model's layers do not run in bytes, if there is one. */
export function unsupportedInBytes(config: Kinds & Pick<DecoderConfig, "experts">): string | undefined {
  if (hasRecurrent(config)) return "recurrent layers, whose steps are too sensitive to rounding";
  return config.experts ? "experts, whose matrices do not run in bytes" : undefined;
}

/** A layer that attends. @throws Error if it does not */
export function attentionBlock(decoder: Decoder, graph: Graph, layer: number, input?: () => Tensor): AttentionBlock {
  const block = decoder.block(graph, layer, input);
  if (block.kind === "attention") return block;
  throw new Error(`layer ${layer} is recurrent and has no attention`);
}

/** The next state of a recurrent layer. @throws Error if it keeps none */
export function nextState(decoder: Decoder, graph: Graph, layer: number, stream: Stream, state: Tensor): Tensor {
  const next = decoder.block(graph, layer).update?.(stream, state);
  if (next) return next;
  throw new Error(`layer ${layer} attends, and keeps no state`);
}

/** The first layer that attends, or the first one if none does. */
export const firstAttending = (config: Kinds): number => layersOf(config, "attention")[0] ?? 0;

/** Attention's attributes in the first layer that attends. @throws Error if none does */
export const firstAttention = (decoder: Decoder): ReturnType<Decoder["attention"]> =>
  decoder.attention(firstAttending(decoder.config));

/** A model's forward pass as a stack of blocks, traced into whichever graphs the engine cuts it into. */
export interface Decoder {
  readonly config: DecoderConfig;
  /** Attention's attributes in a layer, except for its place in the cache. @throws Error if the layer is recurrent */
  attention(layer: number): Omit<AttentionAttrs, "past">;
  /** Rotary tables for the attention of a layer; undefined if the layer has none. */
  rotary(graph: Graph, layer: number): { cos: Tensor; sin: Tensor } | undefined;
  /** Factors for a layer's queries by their positions, f32 [positions]; undefined if it has none. */
  temperature?(graph: Graph, layer: number): Tensor | undefined;
  /** The sinks of a layer's heads, f32 [heads], of attention that has them; absent if no layer's has. */
  sinks?(graph: Graph, layer: number): Tensor | undefined;
  /** Rotary tables by axis, in a model whose positions have several; `rotary` then serves texts alone. */
  axes?(graph: Graph, layer: number): Axes<Tables> | undefined;
  /** ids i64 [batch, tokens] → [batch, tokens, hidden]; `lengths`, as attention takes them, for models that learn positions. */
  embed(graph: Graph, ids: Tensor, lengths: () => Tensor): Tensor;
  /**
   * The inputs of all layers, [batch, tokens, layers · layerInput], by the tokens' ids and what `embed` makes of them; absent if
   * layers have none.
   */
  layerInputs?(graph: Graph, ids: Tensor, embedded: Tensor): Tensor;
  /** `input` gives the layer's own input [batch, tokens, layerInput], in a model whose layers have one: its feed-forward asks for it. */
  block(graph: Graph, layer: number, input?: () => Tensor): Block;
  /** The normalised stream after the last block, the input of `logits`. */
  finish(graph: Graph, stream: Stream): Tensor;
  /** [batch, tokens, hidden] → [batch, tokens, vocabulary]. */
  logits(graph: Graph, hidden: Tensor): Tensor;
  /** Like `logits`, of some tokens only: [batch, tokens, ids]. */
  logitsOf(graph: Graph, hidden: Tensor, ids: readonly number[]): Tensor;
}

/** An architecture, whole in one file of this room. */
export interface Architecture {
  /** Reads the configuration; throws a UserError that names the key. */
  configure(config: ConfigSource): DecoderConfig;
  /** A checkpoint's tensors for parts that do not run here, such as images. */
  unread(checkpoint: Checkpoint): readonly string[];
  /** The checkpoint's names of the tensors. */
  tensors(checkpoint: Checkpoint): Names;
  /** The names that Hugging Face's code may give the module of a matrix, by its canonical name without `.weight`. */
  modules(canonical: string, config: ConfigSource): readonly string[];
  /** The place of a matrix among one such module's; absent: each is a module by itself. */
  part?(canonical: string): readonly [at: number, of: number] | undefined;
  open(weights: WeightSource): Decoder;
}
