import type { AttentionAttrs, Graph, Tensor } from "../graph/index.ts";
import type { Stream } from "../nn/stream.ts";
import type { Checkpoint, ConfigSource } from "../weights/checkpoint.ts";
import type { Names } from "../weights/prepared/names.ts";
import type { WeightSource } from "../weights/weight-source.ts";

/** The configuration that all decoders share. */
export interface DecoderConfig {
  readonly layers: number;
  /** Width of the residual stream. */
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly vocabulary: number;
  /** Positions the model was trained for. */
  readonly context: number;
  /**
   * Tokens beyond which a sequence is rotated by other factors, from its first token on (LongRoPE): by so many rows further on in the rotary
   * tables. What ran while it was shorter then runs again.
   */
  readonly longRopeBeyond?: number | undefined;
  /** Keys that a layer's queries see, their own the last; undefined: all. Absent where no layer has a window. */
  window?(layer: number): number | undefined;
}

/** One layer, open at its seams: attention and feed-forward are each between two of its functions. */
export interface Block {
  /** Everything before the attention: qkv [batch, tokens, (heads + 2·kvHeads)·headSize]. */
  attentionIn(stream: Stream): { qkv: Tensor; residual: Tensor };
  /** The output projection of what attention gave, [batch, tokens, heads·headSize]. */
  attentionOut(attended: Tensor, residual: Tensor): Stream;
  feedForward(stream: Stream): Stream;
}

/** A model's forward pass as a stack of blocks, traced into whichever graphs the engine cuts it into. */
export interface Decoder {
  readonly config: DecoderConfig;
  /** Attention's attributes in a layer, except where in the cache it is. */
  attention(layer: number): Omit<AttentionAttrs, "past">;
  /** Rotary tables for the attention of a layer; undefined where it rotates nothing. */
  rotary(graph: Graph, layer: number): { cos: Tensor; sin: Tensor } | undefined;
  /** ids i64 [batch, tokens] → [batch, tokens, hidden]; `lengths`, as attention takes them, for models that learn positions. */
  embed(graph: Graph, ids: Tensor, lengths: () => Tensor): Tensor;
  block(graph: Graph, layer: number): Block;
  /** The stream after the last block, normalised: what `logits` takes. */
  finish(graph: Graph, stream: Stream): Tensor;
  /** [batch, tokens, hidden] → [batch, tokens, vocabulary]. */
  logits(graph: Graph, hidden: Tensor): Tensor;
}

/** An architecture, whole in one file of this room. */
export interface Architecture {
  /** The checkpoints' own names for it: `general.architecture`, `model_type`. */
  readonly names: readonly string[];
  /** Reads the configuration; throws a UserError that names the key. */
  configure(config: ConfigSource): DecoderConfig;
  /** Tensors of a checkpoint that are of parts that do not run here, such as those of images. */
  unread(checkpoint: Checkpoint): readonly string[];
  /** The checkpoint's names of the tensors. */
  tensors(checkpoint: Checkpoint): Names;
  /** The names that Hugging Face's code may give the module of a matrix, by its canonical name without `.weight`. */
  modules(canonical: string): readonly string[];
  open(weights: WeightSource): Decoder;
}
