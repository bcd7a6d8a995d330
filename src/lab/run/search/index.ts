import type { Recipe } from "../../../savings/recipe.ts";
import type { Point } from "../frontier.ts";
import { bisect } from "./bisect.ts";
import type { Budget } from "./budget.ts";
import { halve } from "./halve.ts";
import type { SearchSpec } from "./spec.ts";

/** Measures recipes on a task's first items, and bills what that took. */
export interface Prober {
  readonly items: number;
  readonly better: "higher" | "lower";
  readonly budget: Budget;
  measure(recipe: Recipe, items: number): Promise<Point>;
}

/** Settings that a search proposes, each measured on every item. */
export function search(spec: SearchSpec, prober: Prober): Promise<Recipe[]> {
  switch (spec.kind) {
    case "range":
      return bisect(spec, prober);
    case "grid":
      return halve(spec.recipes, prober);
  }
}
