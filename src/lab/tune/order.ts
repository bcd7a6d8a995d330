import type { Ladder } from "../../savings/auto/ladder.ts";
import type { RatedLadder } from "./ladders.ts";

/** The maximum number of ladders to test: each may need new answers. */
const MOST = 8;

/** Ladders cheaper than dense: the ones to test, and the ones whose gain may be noise. */
export interface Order {
  readonly order: readonly RatedLadder[];
  readonly unsure: readonly RatedLadder[];
}

/**
 * The order of the test: ladders provably cheaper than dense from the most to the least expensive, without ladders that
 * another ladder beats in both loss and price. All ladders of equal loss are kept, since a milder one may pass if a
 * bolder one fails.
 */
export function testOrder(
  ladders: readonly RatedLadder[],
  dense: number,
  isCheaper: (ladder: Ladder) => boolean,
): Order {
  const cheaper = ladders.filter(({ price }) => price < dense);
  const sure = cheaper.filter(({ ladder }) => isCheaper(ladder));
  const best = sure.filter((each) => !sure.some((other) => other.loss < each.loss && other.price <= each.price));
  return { order: spread(dearestFirst(best)), unsure: dearestFirst(cheaper.filter((each) => !sure.includes(each))) };
}

const dearestFirst = (ladders: readonly RatedLadder[]): RatedLadder[] =>
  ladders.toSorted((a, b) => b.price - a.price || a.loss - b.loss);

/** Picks the first ladder, the last, and evenly spaced ladders between them. */
function spread(ordered: readonly RatedLadder[]): RatedLadder[] {
  if (ordered.length <= MOST) return [...ordered];
  return Array.from({ length: MOST }, (_, i) => ordered[Math.round((i * (ordered.length - 1)) / (MOST - 1))]!);
}
