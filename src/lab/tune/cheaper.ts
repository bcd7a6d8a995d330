import { mean as meanOf } from "../../util/mean.ts";
import { pairedDelta } from "../metrics/bootstrap.ts";

/** An item's cost under a recipe, and dense's, measured alternately; NaN if the recipe failed on the item. */
export interface Pair {
  readonly saved: number;
  readonly dense: number;
}

/** The minimum number of pairs: fewer may all lie on one side by chance. */
const FEWEST = 6;

/** True if the 95 % interval of the mean difference lies below 0: the gain exceeds the noise of the clock. */
export function isSurelyFaster(pairs: readonly Pair[]): boolean {
  const timed = answered(pairs);
  if (timed.length < FEWEST) return false;
  const { ci95 } = pairedDelta(parts(timed, "saved"), parts(timed, "dense"), mean, { seed: 0 });
  return ci95[1] < 0;
}

/** True if the recipe costs less; only for counts, which have no noise. */
export const isCheaper = (pairs: readonly Pair[]): boolean =>
  meanOf(answered(pairs).map(({ saved, dense }) => saved - dense)) < 0;

/** The pairs of items that the recipe answered; failures already count as losses. */
export const answered = (pairs: readonly Pair[]): Pair[] => pairs.filter(({ saved }) => Number.isFinite(saved));

const parts = (pairs: readonly Pair[], side: keyof Pair) => pairs.map((pair) => [pair[side]]);
const mean = (parts: readonly (readonly number[])[]): number => meanOf(parts.map(([value]) => value!));
