import type { VisualSpan } from "./plan.ts";

/** True if a query sees a key, by their positions. */
export type Sees = (query: number, key: number) => boolean;

/**
 * A saving's effect on one layer in training: what the saving skips is computed and then hidden, which gives the same
 * result.
 */
export interface LayerMask {
  /** The keys that queries see in a text of `tokens` tokens, by position; by default, all keys that are not later. */
  sees?(visual: readonly VisualSpan[], tokens: number): Sees;
  /** The share of the feed-forward's neurons that image tokens run, counted from the first. */
  readonly share: number;
}
