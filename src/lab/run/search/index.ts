import type { Recipe } from "../../../savings/recipe.ts";
import type { Point } from "../frontier.ts";
import { bisect } from "./bisect.ts";
import type { Budget, Spending } from "./budget.ts";
import { fewest, halve } from "./halve.ts";
import type { SearchSpec } from "./spec.ts";

/** Measures recipes on a task's first items, and bills the cost. */
export interface Prober {
  readonly items: number;
  readonly better: "higher" | "lower";
  readonly budget: Budget;
  measure(recipe: Recipe, items: number): Promise<Point>;
  /** Estimates the recipe's cost on `items` items from its cost on one item and dense's cost on all items. */
  estimate(recipe: Recipe, items: number): Promise<Estimate>;
}

/** The cost of one item, and the estimate for all items. */
export interface Estimate {
  readonly item: Spending;
  readonly all: Spending;
}

/** Runs a search; returns its settings, each measured on every item. */
export async function search(spec: SearchSpec, prober: Prober): Promise<Recipe[]> {
  if (!(await affordable(spec, prober))) return [];
  switch (spec.kind) {
    case "range":
      return bisect(spec, prober);
    case "grid":
      return halve(spec.recipes, prober);
  }
}

/** True if a first probe fits the budget, since a budget that is far too small must not cost a whole probe. */
async function affordable(spec: SearchSpec, prober: Prober): Promise<boolean> {
  if (!prober.budget.limited) return true;
  const { item, all } = await (spec.kind === "range"
    ? prober.estimate(spec.at(spec.low), prober.items)
    : prober.estimate(spec.recipes[0]!, fewest(spec.recipes.length, prober.items)));
  if (prober.budget.affords(all)) return true;
  prober.budget.add(item);
  prober.budget.end();
  return false;
}
