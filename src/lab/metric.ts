import type { AnswerOf, ItemKind, ItemOf } from "./item.ts";

/**
 * One item's part of a metric: numbers whose sums over items determine the metric (`[right]` for accuracy, `[nats,
 * tokens]` for perplexity).
 */
export type Part = readonly number[];

/** Judges answers of one kind. */
export interface Metric<K extends ItemKind> {
  readonly name: string;
  /** One sentence: the quantity, and the source of its definition. */
  readonly summary: string;
  readonly better: "higher" | "lower";
  /** The range of one item's quality: 0 or 1, or any value between; absent if an item's part has no such range. */
  readonly scale?: "binary" | "unit";
  /** `dense` is the dense run's answer to the same item, for metrics of agreement. */
  part(item: ItemOf<K>, answer: AnswerOf[K], dense: AnswerOf[K]): Part;
  /** The metric over a set of items; intervals resample the parts. */
  quality(parts: readonly Part[]): number;
  /** The metric over resamples, given how often each item occurs: shared work (such as sorting) is done once. */
  resampled?(parts: readonly Part[]): (times: Uint32Array) => number;
}
