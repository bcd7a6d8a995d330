import type { AnswerOf, ItemKind, ItemOf } from "./item.ts";

/**
 * One item's part in a metric: numbers whose sums over items give the whole (an accuracy's is `[right]`, a perplexity's
 * `[nats, tokens]`).
 */
export type Part = readonly number[];

/** Judges answers of one kind. */
export interface Metric<K extends ItemKind> {
  readonly name: string;
  /** One sentence: the quantity, and the source of its definition. */
  readonly summary: string;
  readonly better: "higher" | "lower";
  /** The values of one item's quality by its definition: 0 or 1, or all between; absent: an item's part is no such number. */
  readonly scale?: "binary" | "unit";
  /** `dense` is the dense run's answer to the same item; metrics of agreement need it. */
  part(item: ItemOf<K>, answer: AnswerOf[K], dense: AnswerOf[K]): Part;
  /** The metric of a set of items; intervals resample the parts. */
  quality(parts: readonly Part[]): number;
  /** The same for resamples, given how often each item occurs: shared work (such as an order) is done once. */
  resampled?(parts: readonly Part[]): (times: Uint32Array) => number;
}
