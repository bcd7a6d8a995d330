import type { Spent } from "../graph/index.ts";
import type { KvRows } from "../models/cache.ts";
import type { Decoder } from "../models/decoder.ts";
import type { Buffer } from "../runtime/buffer.ts";

/** Named places in a model where a saving may act. */
export const seams = ["attention", "ffn", "between layers", "head", "tokens in", "model choice"] as const;
export type Seam = (typeof seams)[number];

/** One layer's attention over one chunk of a prompt, to be done in a saving's own way. */
export interface AttentionCall {
  readonly layer: number;
  /** Tokens in the cache before this chunk. */
  readonly past: number;
  /** Tokens of this chunk. */
  readonly tokens: number;
  /** Length of the whole prompt. */
  readonly prompt: number;
  /** [chunk · (heads + 2·kvHeads)·headSize], before rotary embedding; what lies after the chunk's tokens may be overwritten. */
  readonly qkv: Buffer;
  /** Where to write the result, from the start: [chunk · heads·headSize]. */
  readonly attended: Buffer;
  /** Does this chunk densely, as the saving's neutral setting would. */
  dense(): Promise<void>;
  /** The chunk's keys (rotated) and values are to be written here too. */
  readonly cache: KvRows;
  readonly bill: AttentionBill;
}

/** What a saving says it spent. */
export interface AttentionBill {
  /** Attention that ran. */
  run(cost: Spent): void;
  /** Work that the saving itself caused: scoring, gathering. */
  overhead(cost: Spent): void;
  /** Blocks of a mask: how many dense would have visited, how many were. */
  blocks(dense: number, run: number): void;
}

/** Fills the attention seam while a prompt is prefilled. */
export interface AttentionSaving extends Disposable {
  /** Whether a prompt of this many tokens is worth it; if not, the dense program runs. */
  wants(prompt: number): boolean;
  /** Most tokens of a chunk. */
  readonly chunk: number;
  /** Tokens the chunk after `past` should have, at most. */
  chunkAfter(past: number): number;
  attend(call: AttentionCall): Promise<void>;
}

/** The model that a saving is to serve. */
export interface SavingHost {
  readonly decoder: Decoder;
  /** Of the model's file; absent when it is a file of the user's own whose hash was not asked for. */
  readonly sha256: string | undefined;
}
