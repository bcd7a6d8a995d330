import type { Metric } from "../metric.ts";
import { best, meanOfParts } from "./sums.ts";

/** Splits like google-research's rouge-score without stemming: runs of ASCII letters and digits, in lower case. */
const words = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** Length of the longest common subsequence; O(|a| × |b|) time, O(|b|) memory. */
function commonSubsequence<T>(a: readonly T[], b: readonly T[]): number {
  const row = new Uint32Array(b.length + 1);
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j]!;
      row[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1]!);
      diagonal = above;
    }
  }
  return row[b.length]!;
}

/** ROUGE-L's F-measure of two texts (Lin 2004, β = 1), in [0, 1]; 0 if either has no word. */
export const rougeLOf = (text: string, reference: string): number => rougeLOfList(words(text), words(reference));

/** ROUGE-L's F-measure of two lists of words or token ids. */
export function rougeLOfList<T>(a: readonly T[], b: readonly T[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  return (2 * commonSubsequence(a, b)) / (a.length + b.length);
}

export const rougeL: Metric<"generation"> = {
  name: "rouge-l",
  summary:
    "F-measure of the longest common subsequence of words with the nearest reference (rouge-score: rougeL, no stemming)",
  better: "higher",
  scale: "unit",
  part: ({ answers }, { text }) => [best(answers, (answer) => rougeLOf(text, answer))],
  quality: meanOfParts,
};
