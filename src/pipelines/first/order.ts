/**
 * Indices by score, the greatest first. Ties keep their order; items without a score, such as those beyond a server's
 * likeliest tokens, follow in order.
 */
export const byScore = (scores: readonly (number | undefined)[]): number[] =>
  [...scores.keys()].sort((a, b) => compared(scores[a], scores[b]));

function compared(a: number | undefined, b: number | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return b - a;
}

/** Indices of the letters in brackets that a model wrote: `[C] > [A]`. */
export const written = (text: string): number[] =>
  Array.from(text.matchAll(/\[\s*([A-Z])\s*\]/g), ([, letter]) => letter!.charCodeAt(0) - 65);

/** A permutation of 0..count−1: the given indices without repeated or invalid ones, then the missing indices. */
export function repaired(places: readonly number[], count: number): number[] {
  const all = Array.from({ length: count }, (_, place) => place);
  return [...new Set([...places.filter((place) => place >= 0 && place < count), ...all])];
}

/** Items in a permuted order. */
export const permuted = <T>(items: readonly T[], order: readonly number[]): T[] => order.map((place) => items[place]!);

/** A relevance score for each item: 1 over its rank. Logits of different windows are not comparable. */
export function scoresByRank(order: readonly number[]): number[] {
  const scores: number[] = [];
  for (const [rank, item] of order.entries()) scores[item] = 1 / (rank + 1);
  return scores;
}
