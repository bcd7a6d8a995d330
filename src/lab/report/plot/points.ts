import type { RecipeSummary, Summary } from "../../results.ts";

/** A recipe as a point of the plot and a row of the tables. */
export interface PlotPoint extends RecipeSummary {
  /** The text beside the point: `dense`, or a number. */
  readonly key: string;
  readonly kind: "dense" | "frontier" | "other";
}

/** Points in the summary's order: dense by name, the others numbered from 1. */
export function pointsOf({ recipes }: Pick<Summary, "recipes">): PlotPoint[] {
  let number = 0;
  return recipes.map((recipe) => {
    if (recipe.recipe === "dense") return { ...recipe, key: "dense", kind: "dense" };
    return { ...recipe, key: String(++number), kind: recipe.on_frontier ? "frontier" : "other" };
  });
}

/** Points of the frontier, by increasing saving. */
export const frontierOf = (points: readonly PlotPoint[]): PlotPoint[] =>
  points.filter((point) => point.on_frontier).sort((a, b) => a.flops_saved - b.flops_saved);
