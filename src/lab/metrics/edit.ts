import { distance } from "fastest-levenshtein";
import type { Metric } from "../metric.ts";
import { best, meanOfParts } from "./sums.ts";

/** 1 − Levenshtein distance divided by the longer text's length, in UTF-16 units; 1 for two empty texts. */
export function editSimilarityOf(a: string, b: string): number {
  const longer = Math.max(a.length, b.length);
  return longer === 0 ? 1 : 1 - distance(a, b) / longer;
}

export const editSimilarity: Metric<"generation"> = {
  name: "edit-similarity",
  summary:
    "1 − Levenshtein distance to the nearest reference divided by the longer text's length (RepoCoder, arXiv 2303.12570)",
  better: "higher",
  scale: "unit",
  part: ({ answers }, { text }) => [best(answers, (answer) => editSimilarityOf(text, answer))],
  quality: meanOfParts,
};
