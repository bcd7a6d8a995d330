import type { Recipe } from "../../../savings/recipe.ts";
import { beats, type Point } from "../frontier.ts";
import type { Prober } from "./index.ts";

/** The number of items on which all settings are tried first; fewer items would prove nothing. */
const FEWEST = 8;

/** The number of items in the first round. */
export const fewest = (recipes: number, items: number): number =>
  Math.min(items, Math.max(FEWEST, Math.ceil(items / 2 ** Math.ceil(Math.log2(recipes)))));

/**
 * Successive halving (Jamieson & Talwalkar 2016): all settings on a few items, the better half on twice as many, and so
 * on until the remaining settings run on all items. Settings rank by how many other settings beat them in quality and
 * saving. If the budget ends early, the settings measured on all items remain.
 */
export async function halve(recipes: readonly Recipe[], prober: Prober): Promise<Recipe[]> {
  let alive = recipes;
  let items = fewest(recipes.length, prober.items);
  for (;;) {
    const measured = await measureAll(alive, items, prober);
    if (items === prober.items) return measured.map(({ recipe }) => recipe);
    if (measured.length < alive.length) return [];
    alive = betterHalf(measured, prober.better);
    items = Math.min(prober.items, 2 * items);
  }
}

interface MeasuredRecipe {
  readonly recipe: Recipe;
  readonly point: Point;
}

async function measureAll(recipes: readonly Recipe[], items: number, prober: Prober): Promise<MeasuredRecipe[]> {
  const measured: MeasuredRecipe[] = [];
  for (const recipe of recipes) {
    if (!prober.budget.allows) break;
    measured.push({ recipe, point: await prober.measure(recipe, items) });
  }
  return measured;
}

function betterHalf(recipes: readonly MeasuredRecipe[], better: "higher" | "lower"): Recipe[] {
  const beaten = ({ point }: MeasuredRecipe) => recipes.filter((other) => beats(other.point, point, better)).length;
  const ranked = recipes.toSorted((a, b) => beaten(a) - beaten(b) || b.point.saved - a.point.saved);
  return ranked.slice(0, Math.max(1, Math.ceil(recipes.length / 2))).map(({ recipe }) => recipe);
}
