import type { VisualSpan } from "./plan.ts";

/** Tells whether a query sees a key, by their places. */
export type Sees = (query: number, key: number) => boolean;

/**
 * A saving's effect on one layer, as training has it: what the saving skips is computed, and hidden. The skipped and the
 * hidden give the same.
 */
export interface LayerMask {
  /** The keys that queries see in a text of so many tokens, by their positions; absent: all that are not later. */
  sees?(visual: readonly VisualSpan[], tokens: number): Sees;
  /** Share of the feed-forward's neurons that tokens of images run, the first ones. */
  readonly share: number;
}
