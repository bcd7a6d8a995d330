import type { Part } from "../metric.ts";

/** Sums of the parts' columns, in the order of items; empty without items. */
function columnSums(parts: readonly Part[]): number[] {
  const sums = new Array<number>(parts[0]?.length ?? 0).fill(0);
  for (const part of parts) for (let i = 0; i < part.length; i++) sums[i]! += part[i]!;
  return sums;
}

/** The quality of a metric with one number per item: the mean. NaN without items. */
export const meanOfParts = (parts: readonly Part[]): number => {
  let sum = 0;
  for (const part of parts) sum += part[0]!;
  return sum / parts.length;
};

/** The quality of a metric that is a function of its parts' sums. NaN without items. */
export const ofSums =
  (quality: (sums: readonly number[]) => number) =>
  (parts: readonly Part[]): number =>
    parts.length === 0 ? Number.NaN : quality(columnSums(parts));

/** The best score against any of the references. */
export const best = (references: readonly string[], score: (reference: string) => number): number =>
  references.reduce((most, reference) => Math.max(most, score(reference)), 0);

/** Index of the maximum; of equal values, the first. */
export function argmax(scores: readonly number[]): number {
  let at = 0;
  for (let i = 1; i < scores.length; i++) if (scores[i]! > scores[at]!) at = i;
  return at;
}
