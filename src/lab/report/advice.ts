import type { RecipeSummary, Summary } from "../results.ts";

/** The largest loss of a recommended recipe, as a share of dense's quality. */
export const BOUND = 0.05;
/** The minimum number of items for an interval to be trusted. */
export const FEWEST = 10;

export interface Advice<R> {
  /** The recipe that saves the most FLOPs. */
  readonly most: R;
  /** The recipe that saves the most FLOPs within the bound. */
  readonly best: R | undefined;
  /**
   * True if the run proves that the whole interval of `best` is within the bound. If false, there are too few items.
   */
  readonly shown: boolean;
}

/** The recipes that a run supports, relative to dense; undefined if no recipe saves FLOPs. */
export function advice<R extends RecipeSummary>(
  { metric, items }: Pick<Summary, "metric" | "items">,
  recipes: readonly R[],
): Advice<R> | undefined {
  const dense = recipes.find(({ recipe }) => recipe === "dense")!;
  const saving = recipes.filter(({ recipe, flops_saved }) => recipe !== "dense" && flops_saved > 0);
  const byMost = saving.sort((a, b) => b.flops_saved - a.flops_saved);
  const [most] = byMost;
  if (most === undefined) return undefined;
  const bound = BOUND * Math.abs(dense.quality);
  const shown = byMost.find((r) => items >= FEWEST && lossOf(metric, r.delta.ci95) <= bound);
  const best = shown ?? byMost.find(({ delta: { mean } }) => lossOf(metric, [mean, mean]) <= bound);
  return { most, best, shown: shown !== undefined };
}

/** The loss against dense at the worse end of an interval. */
const lossOf = ({ better }: Summary["metric"], [low, high]: readonly [number, number]): number =>
  better === "higher" ? -low : high;
