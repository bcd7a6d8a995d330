import type { Spent } from "../graph/index.ts";
import type { Decoder } from "../models/decoder/decoder.ts";
import type { KvRows } from "../models/state/cache.ts";
import type { Buffer } from "../runtime/buffer.ts";
import type { ModelForm } from "../weights/prepared/quant.ts";

/** The named places in a model where a saving may act. */
export const seams = ["attention", "ffn", "between layers", "head", "tokens in", "model choice"] as const;
export type Seam = (typeof seams)[number];

/** One layer's attention over one chunk of a prompt, for a saving to compute. */
export interface AttentionCall {
  readonly layer: number;
  /** The number of tokens in the layer's cache before this chunk. */
  readonly past: number;
  /** The number of tokens in this chunk. */
  readonly tokens: number;
  /** The number of prompt tokens that reach this layer: all, or the tokens kept by an earlier cut. */
  readonly prompt: number;
  /** The number of prompt tokens that reach this layer in a dense run. */
  readonly whole: number;
  /** The indices of the chunk's tokens in the prompt. */
  readonly places: readonly number[];
  /** The chunk's positions, i64 [chunk], for rotary embedding. */
  readonly positions: Buffer;
  /** The positions by height and width, if the model's positions have these axes; `positions` is then the time axis. */
  readonly axes: readonly Buffer[];
  /**
   * [chunk · (heads + 2·kvHeads)·headSize], before rotary embedding; memory after the chunk's tokens may be
   * overwritten.
   */
  readonly qkv: Buffer;
  /** The output buffer, written from its start: [chunk · heads·headSize]. */
  readonly attended: Buffer;
  /** Runs this chunk densely, like the saving's neutral setting. */
  dense(): Promise<void>;
  /** The destination for the chunk's keys (rotated) and values. */
  readonly cache: KvRows;
  readonly bill: AttentionBill;
}

/** Records a saving's costs. */
export interface AttentionBill {
  /** Records the attention that was computed. */
  run(cost: Spent): void;
  /** Records work that the saving adds, such as scoring. */
  overhead(cost: Spent): void;
  /** Records an amount of work by name, such as a mask's `blocks`, for a dense run and for this run. */
  count(name: string, dense: number, run: number): void;
}

/** Replaces attention while a prompt is prefilled. */
export interface AttentionSaving {
  /** The maximum number of tokens per chunk. */
  readonly chunk: number;
  /** The maximum number of tokens in the chunk that follows `past` tokens. */
  chunkAfter(past: number): number;
  attend(call: AttentionCall): Promise<void>;
  /** The feed-forward shares for tokens at these positions, in order; if absent, all tokens use the whole network. */
  feedForward?(positions: readonly number[]): readonly FeedForwardPart[];
}

/** Consecutive tokens, and the share of the feed-forward network's neurons that they use; 0 also skips its norm. */
export interface FeedForwardPart {
  readonly tokens: number;
  readonly share: number;
}

/** The model that a saving serves. */
export interface SavingHost {
  readonly decoder: Decoder;
  /** The SHA-256 of the model, either recorded or computed by reading its whole file or folder. */
  hash(): Promise<string>;
  /** The form of the model's weights; absent if unknown. */
  readonly form?: ModelForm;
  /** Shows the user one sentence. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
}
