import { mean } from "../../util/mean.ts";
import type { MeasuredRecipe, SearchResults } from "./ladders.ts";
import type { Answers, Candidate, Price, Problem, TuningItem } from "./problem.ts";
import { type RaceLosses, race } from "./race.ts";

/** The maximum number of savings in one recipe. */
const MOST = 3;

interface Survivor extends MeasuredRecipe {
  readonly candidate: Candidate;
}

/**
 * Races the candidates on the search items, then unions of the cheapest candidate with the best of every other family,
 * for as long as unions get cheaper. Measures prices of the survivors.
 */
export async function search<T extends TuningItem>(
  problem: Pick<Problem<T>, "candidates" | "union" | "type" | "bound">,
  items: readonly T[],
  answers: Answers<T>,
): Promise<SearchResults & { readonly survivors: readonly Candidate[] }> {
  const survivors: Survivor[] = [];
  let dense: Price = () => Number.NaN;
  let entrants = problem.candidates;
  for (let savings = 1; savings <= MOST && entrants.length > 0; savings++) {
    const raced = await race(problem, entrants, items, answers);
    const prices = await answers.pricesOf(["dense", ...[...raced.keys()].map(({ recipe }) => recipe)]);
    dense = prices[0]!;
    survivors.push(...measured(raced, prices.slice(1)));
    entrants = unionsOf(survivors, problem, items);
  }
  const recipes = [{ recipe: "dense", losses: items.map(() => 0), price: dense }, ...survivors];
  return { items, recipes, type: problem.type, survivors: survivors.map(({ candidate }) => candidate) };
}

const measured = (raced: RaceLosses, prices: readonly Price[]): Survivor[] =>
  [...raced].map(([candidate, losses], i) => ({ candidate, recipe: candidate.recipe, losses, price: prices[i]! }));

/** The cheapest survivor within the risk together with the cheapest of every other family. */
function unionsOf<T extends TuningItem>(
  survivors: readonly Survivor[],
  { union, bound }: Pick<Problem<T>, "union" | "bound">,
  items: readonly T[],
): Candidate[] {
  const priceOf = ({ price }: Survivor) => mean(items.map(price));
  const within = survivors
    .filter(({ losses }) => mean(losses) <= bound.risk)
    .toSorted((a, b) => priceOf(a) - priceOf(b));
  const [best, ...others] = within.filter(
    ({ candidate }, i) => within.findIndex((other) => other.candidate.family === candidate.family) === i,
  );
  const known = new Set(survivors.map(({ recipe }) => recipe));
  const unions = others.flatMap((other) => union?.(best!.candidate, other.candidate) ?? []);
  return unions.filter(({ recipe }) => !known.has(recipe));
}
