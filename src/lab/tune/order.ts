import type { Rated } from "./ladders.ts";

/** Ladders that are tested at most: each may need answers of its own. */
const MOST = 8;

/**
 * The order of the test: ladders cheaper than dense from dearest to cheapest, less those that another one beats in
 * both loss and price. Ladders of equal loss all stay, since a milder one may hold where a bolder one fails.
 */
export function testOrder(ladders: readonly Rated[], dense: number): Rated[] {
  const cheaper = ladders.filter(({ price }) => price < dense);
  const best = cheaper.filter((each) => !cheaper.some((other) => other.loss < each.loss && other.price <= each.price));
  const ordered = best.toSorted((a, b) => b.price - a.price || a.loss - b.loss);
  return spread(ordered);
}

/** The ends and, between them, evenly placed ones. */
function spread(ordered: readonly Rated[]): Rated[] {
  if (ordered.length <= MOST) return [...ordered];
  return Array.from({ length: MOST }, (_, i) => ordered[Math.round((i * (ordered.length - 1)) / (MOST - 1))]!);
}
