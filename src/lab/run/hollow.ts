import { mean } from "../../util/mean.ts";
import type { Item } from "../item.ts";
import { FEWEST } from "../report/advice.ts";
import { count, figure, percent, range } from "../report/format.ts";
import type { RecipeSummary, Summary } from "../results.ts";

/** The largest share of empty answers that can still be judged. */
const EMPTY = 0.2;
/** A recipe barely acts if it acts on a smaller share of the items, or changes every counter by less. */
const FEWEST_ITEMS = 0.1;
const LEAST_CHANGE = 0.01;

/** The accuracy of guessing, for items with choices or labels. */
export function chanceOf(items: readonly Item[]): number | undefined {
  const guesses = items.flatMap((item) => {
    if (item.kind === "choice") return [1 / item.choices.length];
    return item.kind === "label" ? [1 / item.labels.length] : [];
  });
  return guesses.length === 0 ? undefined : mean(guesses);
}

/**
 * The reasons why a run says little about a recipe, one sentence each: there was nothing to lose, or the recipe did
 * nothing. Fields missing from an older summary are not judged.
 */
export function hollow(summary: Summary, recipe: RecipeSummary): string[] {
  const notes =
    recipe.recipe === "dense" ? ofDense(summary, recipe) : [...ofAction(recipe), ...ofLength(summary, recipe)];
  return [...notes, ...ofAnswers(recipe)];
}

/** Notes longer answers that cost more than dense's: `flops_saved` compares answers of equal length. */
function ofLength({ recipes }: Summary, { recipe, flops_saved, flops_per_item: spent }: RecipeSummary): string[] {
  const dense = recipes.find((each) => each.recipe === "dense")?.flops_per_item;
  if (spent === undefined || dense === undefined || flops_saved <= 0 || spent <= dense) return [];
  return [
    `${recipe} spends ${(spent / dense).toFixed(2)} times dense's FLOPs on these items, since its answers are longer`,
  ];
}

function ofDense({ metric, chance, items }: Summary, { quality, ci95 }: RecipeSummary): string[] {
  if (items < FEWEST) return [`intervals of ${count(items, "item")} are unreliable, expected at least ${FEWEST}`];
  if (metric.better === "higher" && quality === 0)
    return [`dense scores 0 in ${metric.name}, so no recipe can lose anything`];
  if (chance === undefined || ci95[0] > chance) return [];
  return [
    `dense scores ${figure(quality)} ${range(ci95)} in ${metric.name}, which is not proven better than guessing (${figure(chance)})`,
  ];
}

const ofAnswers = ({ recipe, empty = 0 }: RecipeSummary): string[] =>
  empty > EMPTY ? [`${percent(empty)} of the answers under ${recipe} are empty`] : [];

function ofAction({ recipe, acted }: RecipeSummary): string[] {
  if (acted === undefined) return [];
  if (acted.items === 0) return [`${recipe} acted on none of these items`];
  if (acted.items < FEWEST_ITEMS) return [`${recipe} acted on only ${percent(acted.items)} of these items`];
  return acted.change < LEAST_CHANGE
    ? [`${recipe} changed the work by only ${percent(acted.change)} on these items`]
    : [];
}
