import type { Metric, Part } from "../metric.ts";
import { ofSums } from "./sums.ts";

const ORDERS = [1, 2, 3, 4] as const;

/**
 * The tokens of mteval-v13a, sacrebleu's default: XML entities decoded, ASCII marks separate, dots and commas kept
 * within numbers.
 */
export function tokens13a(text: string): string[] {
  return ` ${text.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ")} `
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replace(/([{-~[-` -&(-+:-@/])/g, " $1 ")
    .replace(/([^0-9])([.,])/g, "$1 $2 ")
    .replace(/([.,])([^0-9])/g, " $1 $2")
    .replace(/([0-9])(-)/g, "$1 $2 ")
    .split(/\s+/)
    .filter((token) => token !== "");
}

function ngrams(tokens: readonly string[], order: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + order <= tokens.length; i++) {
    const key = tokens.slice(i, i + order).join(" ");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Counts a text's matching n-grams; each counts at most as often as in the reference that repeats it most. */
function matches(tokens: readonly string[], references: readonly string[][], order: number): number {
  const among = references.map((reference) => ngrams(reference, order));
  let count = 0;
  for (const [gram, n] of ngrams(tokens, order)) count += Math.min(n, Math.max(...among.map((c) => c.get(gram) ?? 0)));
  return count;
}

/** The reference length nearest to the text's; ties take the shorter. */
const nearestLength = (length: number, references: readonly string[][]): number =>
  references
    .map((reference) => reference.length)
    .sort((a, b) => Math.abs(a - length) - Math.abs(b - length) || a - b)[0]!;

/**
 * An item's part: matched and total n-grams of each order, then the lengths of the text and of its nearest reference.
 */
export function statistics(tokens: readonly string[], refs: readonly string[][]): Part {
  const matched = ORDERS.map((order) => matches(tokens, refs, order));
  const total = ORDERS.map((order) => Math.max(0, tokens.length - order + 1));
  return [...matched, ...total, tokens.length, nearestLength(tokens.length, refs)];
}

/**
 * BLEU from summed statistics, in [0, 1]; precisions without a match are smoothed as in mteval (sacrebleu:
 * smooth_method exp).
 */
export function bleuOf(sums: readonly number[]): number {
  const [length, referenceLength] = [sums[8]!, sums[9]!];
  if (!sums.slice(0, 4).some((n) => n > 0)) return 0;
  let [smooth, logSum] = [1, 0];
  for (const i of ORDERS.keys()) {
    const [matched, total] = [sums[i]!, sums[4 + i]!];
    if (total === 0) return 0;
    if (matched === 0) smooth *= 2;
    logSum += Math.log(matched === 0 ? 1 / (smooth * total) : matched / total);
  }
  return Math.exp(logSum / 4 + Math.min(0, 1 - referenceLength / length));
}

export const bleu: Metric<"generation"> = {
  name: "bleu",
  summary:
    "BLEU of all texts as one corpus, up to 4-grams, in [0, 1] (sacrebleu: 13a tokens, smoothing exp, its score / 100)",
  better: "higher",
  part: ({ answers }, { text }) => statistics(tokens13a(text), answers.map(tokens13a)),
  quality: ofSums(bleuOf),
};
