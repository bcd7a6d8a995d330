import { covers, type Ladder, type Range, type Rungs, rungsAt } from "../../savings/auto/ladder.ts";
import { mean } from "../../util/mean.ts";
import type { LossType } from "../../util/risk/losses.ts";
import type { Price, TuningItem } from "./problem.ts";

/** A recipe's losses on the search items, in order, and its price. */
export interface MeasuredRecipe {
  readonly recipe: string;
  readonly losses: readonly number[];
  readonly price: Price;
}

/** The search items, and every recipe that survived the race on them, including dense with losses of 0. */
export interface SearchResults {
  readonly items: readonly TuningItem[];
  readonly recipes: readonly MeasuredRecipe[];
  readonly type: LossType;
}

/** A ladder with its mean loss and price over the search items. */
export interface RatedLadder {
  readonly ladder: Ladder;
  readonly loss: number;
  readonly price: number;
}

const ALL: Range = [0, null];
/** The maximum number of length ranges, and the minimum number of items in each. */
const RANGES = 3;
const FEWEST = 12;
/** Tolerances, as fractions of the risk: the maximum loss of a range's recipe on the search items. */
const SHARES = [0, 0.25, 0.5, 0.75, 1];

/**
 * Ladders of the survivors of the race: each recipe alone and, for each of several tolerances, a ladder of the cheapest
 * recipe for every length range. The ladders need no further answers.
 */
export function laddersOf(results: SearchResults, risk: number): RatedLadder[] {
  const alone = results.recipes.filter(({ recipe }) => recipe !== "dense").map((each) => [rungsOf(ALL, each, results)]);
  const ranges = rangesOf(results.items.map(({ tokens }) => tokens));
  const composed =
    ranges.length > 1
      ? SHARES.map((share) => merged(ranges.map((range) => cheapest(range, results, share * risk))))
      : [];
  const byText = new Map<string, Ladder>([...alone, ...composed].map((ladder) => [JSON.stringify(ladder), ladder]));
  return [...byText.values()].map((ladder) => rated(ladder, results));
}

/** Ranges of about equal numbers of items, without gaps. */
function rangesOf(lengths: readonly number[]): Range[] {
  const sorted = lengths.toSorted((a, b) => a - b);
  const parts = Math.min(RANGES, Math.floor(sorted.length / FEWEST));
  const cuts = Array.from(
    { length: Math.max(0, parts - 1) },
    (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / parts)]!,
  );
  const starts = [0, ...new Set(cuts.filter((cut) => cut > sorted[0]!))];
  return starts.map((from, i) => [from, i + 1 < starts.length ? starts[i + 1]! - 1 : null]);
}

/**
 * A recipe, then dense as a fallback. If gains offset losses, there is no fallback, since running a recipe less often
 * would change the mean.
 */
const rungsOf = (tokens: Range, { recipe }: MeasuredRecipe, { type }: SearchResults): Rungs => ({
  tokens,
  rungs: type === "signed" || recipe === "dense" ? [recipe] : [recipe, "dense"],
});

/** The cheapest recipe that loses at most `most` on the items in the range. */
function cheapest(range: Range, results: SearchResults, most: number): Rungs {
  const inside = results.items.flatMap(({ tokens }, i) => (covers(range, tokens) ? [i] : []));
  const lossIn = ({ losses }: MeasuredRecipe) => mean(inside.map((i) => losses[i]!));
  const priceIn = ({ price }: MeasuredRecipe) => mean(inside.map((i) => price(results.items[i]!)));
  const fitting = results.recipes.filter((each) => lossIn(each) <= most);
  return rungsOf(
    range,
    fitting.reduce((a, b) => (priceIn(b) < priceIn(a) ? b : a)),
    results,
  );
}

/** Merges neighbouring ranges with the same rungs. */
function merged(ranges: readonly Rungs[]): Ladder {
  const ladder: Rungs[] = [];
  for (const next of ranges) {
    const before = ladder.at(-1);
    if (before === undefined || JSON.stringify(before.rungs) !== JSON.stringify(next.rungs)) ladder.push(next);
    else ladder[ladder.length - 1] = { ...before, tokens: [before.tokens[0], next.tokens[1]] };
  }
  return ladder;
}

/** The largest loss of the recipes allowed at the item's length. */
export const ladderLoss = (ladder: Ladder, { tokens }: TuningItem, lossOf: (recipe: string) => number): number =>
  Math.max(...rungsAt(ladder, tokens).map((recipe) => (recipe === "dense" ? 0 : lossOf(recipe))));

function rated(ladder: Ladder, { items, recipes }: SearchResults): RatedLadder {
  const byRecipe = new Map(recipes.map((each) => [each.recipe, each]));
  const losses = items.map((item, i) => ladderLoss(ladder, item, (recipe) => byRecipe.get(recipe)!.losses[i]!));
  const prices = items.map((item) =>
    Math.min(...rungsAt(ladder, item.tokens).map((recipe) => byRecipe.get(recipe)!.price(item))),
  );
  return { ladder, loss: mean(losses), price: mean(prices) };
}
