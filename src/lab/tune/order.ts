import type { Ladder } from "../../savings/auto/ladder.ts";
import type { Rated } from "./ladders.ts";

/** Ladders that are tested at most: each may need answers of its own. */
const MOST = 8;

/** Ladders cheaper than dense: those to be tested, and others whose gain may be noise. */
export interface Order {
  readonly order: readonly Rated[];
  readonly unsure: readonly Rated[];
}

/**
 * The order of the test: ladders surely cheaper than dense from dearest to cheapest, less those that another one beats in
 * both loss and price. Ladders of equal loss all stay, since a milder one may hold where a bolder one fails.
 */
export function testOrder(ladders: readonly Rated[], dense: number, isCheaper: (ladder: Ladder) => boolean): Order {
  const cheaper = ladders.filter(({ price }) => price < dense);
  const sure = cheaper.filter(({ ladder }) => isCheaper(ladder));
  const best = sure.filter((each) => !sure.some((other) => other.loss < each.loss && other.price <= each.price));
  return { order: spread(dearestFirst(best)), unsure: dearestFirst(cheaper.filter((each) => !sure.includes(each))) };
}

const dearestFirst = (ladders: readonly Rated[]): Rated[] =>
  ladders.toSorted((a, b) => b.price - a.price || a.loss - b.loss);

/** The ends and, between them, evenly placed ones. */
function spread(ordered: readonly Rated[]): Rated[] {
  if (ordered.length <= MOST) return [...ordered];
  return Array.from({ length: MOST }, (_, i) => ordered[Math.round((i * (ordered.length - 1)) / (MOST - 1))]!);
}
