import type { Spent } from "../graph/index.ts";
import type { Decoder } from "../models/decoder/decoder.ts";
import type { KvRows } from "../models/state/cache.ts";
import type { Buffer } from "../runtime/buffer.ts";
import type { ModelForm } from "../weights/prepared/quant.ts";

/** Named places in a model where a saving may act. */
export const seams = ["attention", "ffn", "between layers", "head", "tokens in", "model choice"] as const;
export type Seam = (typeof seams)[number];

/** One layer's attention over one chunk of a prompt, to be done in a saving's own way. */
export interface AttentionCall {
  readonly layer: number;
  /** Tokens that the layer's cache holds before this chunk. */
  readonly past: number;
  /** Tokens of this chunk. */
  readonly tokens: number;
  /** Prompt tokens that reach this layer: all, or those that a cut before it kept. */
  readonly prompt: number;
  /** Tokens of the prompt that dense would give it. */
  readonly whole: number;
  /** The chunk's places in the prompt. */
  readonly places: readonly number[];
  /** The chunk's positions, i64 [chunk], by which queries and keys are rotated. */
  readonly positions: Buffer;
  /** The same by height and width, in a model whose positions have these; `positions` are then those in time. */
  readonly axes: readonly Buffer[];
  /**
   * [chunk · (heads + 2·kvHeads)·headSize], before rotary embedding; memory after the chunk's tokens may be
   * overwritten.
   */
  readonly qkv: Buffer;
  /** The output buffer, written from its start: [chunk · heads·headSize]. */
  readonly attended: Buffer;
  /** Does this chunk densely, as the saving's neutral setting would. */
  dense(): Promise<void>;
  /** The chunk's keys (rotated) and values are also written here. */
  readonly cache: KvRows;
  readonly bill: AttentionBill;
}

/** Records what a saving spent. */
export interface AttentionBill {
  /** Attention that ran. */
  run(cost: Spent): void;
  /** Work that the saving itself caused: scoring, gathering. */
  overhead(cost: Spent): void;
  /** Work by name, such as the `blocks` of a mask: the amount for dense, and the amount run. */
  count(name: string, dense: number, run: number): void;
}

/** Fills the attention seam while a prompt is prefilled. */
export interface AttentionSaving {
  /** Most tokens of a chunk. */
  readonly chunk: number;
  /** Tokens the chunk after `past` should have, at most. */
  chunkAfter(past: number): number;
  attend(call: AttentionCall): Promise<void>;
  /** Shares of the feed-forward that tokens at these positions run, in order; absent: all tokens run all of it. */
  feedForward?(positions: readonly number[]): readonly FeedForwardPart[];
}

/** Consecutive tokens, and the share of a feed-forward's neurons that they run; 0: nothing of it, its norm included. */
export interface FeedForwardPart {
  readonly tokens: number;
  readonly share: number;
}

/** The model that a saving is to serve. */
export interface SavingHost {
  readonly decoder: Decoder;
  /** The SHA-256 of the model, on record or of its file or folder, which is then read whole. */
  hash(): Promise<string>;
  /** The form of its weights; absent: unknown. */
  readonly form?: ModelForm;
  /** Tells the user one sentence. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
}
