import type { VisualSpan } from "./plan.ts";

/** True if a query sees a key, by their positions. */
export type Sees = (query: number, key: number) => boolean;

/**
 * A saving's effect on one layer in training. Values that the saving would skip are computed and then masked, with the
 * same result.
 */
export interface LayerMask {
  /** The keys that each query sees in a text of `tokens` tokens, by position; default: its own and all earlier keys. */
  sees?(visual: readonly VisualSpan[], tokens: number): Sees;
  /** The share of the feed-forward network's neurons, counted from the first, that image tokens use. */
  readonly share: number;
}
