import { mean as meanOf } from "../../util/mean.ts";
import { pairedDelta } from "../metrics/bootstrap.ts";

/** The cost of an item under a recipe, and dense's, measured in turn. */
export interface Pair {
  readonly saved: number;
  readonly dense: number;
}

/** Fewer pairs than this may all lie on one side by chance. */
const FEWEST = 6;

/** True if the 95 % interval of the mean difference lies below 0: the gain is more than the noise of the clock. */
export function isSurelyFaster(pairs: readonly Pair[]): boolean {
  if (pairs.length < FEWEST) return false;
  const { ci95 } = pairedDelta(parts(pairs, "saved"), parts(pairs, "dense"), mean, { seed: 0 });
  return ci95[1] < 0;
}

/** The same of counts, which have no noise. */
export const isCheaper = (pairs: readonly Pair[]): boolean =>
  meanOf(pairs.map(({ saved, dense }) => saved - dense)) < 0;

const parts = (pairs: readonly Pair[], side: keyof Pair) => pairs.map((pair) => [pair[side]]);
const mean = (parts: readonly (readonly number[])[]): number => meanOf(parts.map(([value]) => value!));
