import type { Metric } from "../metric.ts";
import { meanOfParts } from "./sums.ts";

/**
 * Discounted cumulative gain of grades in ranked order: the sum of grade / log2(rank + 1), with ranks from 1 (Järvelin
 * & Kekäläinen 2002). Negative grades count as 0.
 */
const discounted = (grades: readonly number[]): number =>
  grades.reduce((sum, grade, i) => sum + Math.max(0, grade) / Math.log2(i + 2), 0);

/** nDCG over the first k documents; the ideal order is over all judged documents. 0 if no document is relevant. */
export const ndcg = (k: number): Metric<"ranking"> => ({
  name: `ndcg@${k}`,
  summary: `Discounted gain of the first ${k} documents, divided by the ideal order's gain; a grade is a gain (trec_eval: ndcg_cut_${k})`,
  better: "higher",
  part({ relevance }, { order }) {
    const best = Object.values(relevance).sort((a, b) => b - a);
    const ideal = discounted(best.slice(0, k));
    return [ideal === 0 ? 0 : discounted(order.slice(0, k).map((id) => relevance[id] ?? 0)) / ideal];
  },
  quality: meanOfParts,
});

export const mrr: Metric<"ranking"> = {
  name: "mrr",
  summary: "Mean reciprocal rank of the first relevant document, 0 if no document is relevant (trec_eval: recip_rank)",
  better: "higher",
  part({ relevance }, { order }) {
    const at = order.findIndex((id) => (relevance[id] ?? 0) > 0);
    return [at < 0 ? 0 : 1 / (at + 1)];
  },
  quality: meanOfParts,
};
