import type { RecipeSummary, Summary } from "../results.ts";

export interface Advice<R> {
  /** Saves most FLOPs of all. */
  readonly most: R;
  /** Saves most of those that the run does not show to be worse than dense; undefined where it shows that of all. */
  readonly safe: R | undefined;
}

/** Whether the whole interval of the difference is worse than dense. */
const surelyWorse = (better: Summary["metric"]["better"], { delta }: RecipeSummary): boolean =>
  better === "higher" ? delta.ci95[1] < 0 : delta.ci95[0] > 0;

/** The two recipes that a run speaks for; undefined where none saves FLOPs. */
export function advice<R extends RecipeSummary>(
  { better }: Summary["metric"],
  recipes: readonly R[],
): Advice<R> | undefined {
  const saving = recipes.filter(({ recipe, flops_saved }) => recipe !== "dense" && flops_saved > 0);
  const byMost = saving.sort((a, b) => b.flops_saved - a.flops_saved);
  const [most] = byMost;
  return most && { most, safe: byMost.find((recipe) => !surelyWorse(better, recipe)) };
}
