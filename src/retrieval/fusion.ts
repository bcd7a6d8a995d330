/** The constant that Cormack, Clarke and Büttcher (2009) chose by experiment. */
const K = 60;

/**
 * Merges rankings by reciprocal rank fusion: an item's score is the sum of 1 / (60 + rank) over its rankings, ranks
 * counted from 1. The best item comes first; equal scores keep the first ranking's order. Items with the same `keyOf`
 * are one item, of which the best-ranked copy is returned.
 */
export function fuse<T>(rankings: readonly (readonly T[])[], keyOf: (item: T) => string): { item: T; score: number }[] {
  const fused = new Map<string, { item: T; score: number; rank: number }>();
  for (const ranking of rankings)
    for (const [i, item] of ranking.entries()) {
      const before = fused.get(keyOf(item));
      const score = (before?.score ?? 0) + 1 / (K + i + 1);
      const first = before && before.rank <= i ? before : { item, rank: i };
      fused.set(keyOf(item), { item: first.item, rank: first.rank, score });
    }
  return [...fused.values()].sort((a, b) => b.score - a.score).map(({ item, score }) => ({ item, score }));
}
