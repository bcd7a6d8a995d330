import { savedShare } from "../../ledger/receipt.ts";
import { UserError } from "../../util/errors.ts";
import { bootstrap, type Interval, pairedDelta } from "../metrics/bootstrap.ts";
import { metricNamed } from "../metrics/registry.ts";
import type { RecipeSummary, Result, Summary } from "../results.ts";
import { flops, meanCosts } from "../run/summarise.ts";
import { type Differences, differences } from "./differences.ts";

/** A run as stored in its folder. */
export interface Run {
  readonly folder: string;
  readonly summary: Summary;
  readonly results: readonly Result[];
}

/** One recipe in two runs, on their common items. */
export interface Comparison {
  readonly recipe: string;
  readonly items: number;
  /**
   * Items with the same id but different questions: a task whose prompts have a given number of tokens
   * makes different items for different models.
   */
  readonly other_items: number;
  readonly a: Side;
  readonly b: Side;
  /** The second run's quality minus the first's, paired by item. */
  readonly delta: { readonly mean: number; readonly ci95: Interval };
  /** Items that the second run improved, left equal, or worsened. */
  readonly by_item: Omit<Differences, "losses">;
}

interface Side extends Pick<RecipeSummary, "ms_per_item" | "bytes_per_item"> {
  readonly quality: number;
  readonly ci95: Interval;
  readonly flops_saved: number;
}

/** The items common to two runs of one task, and the items in only one run. */
export interface Comparisons {
  readonly metric: Summary["metric"];
  readonly recipes: readonly Comparison[];
  readonly only_a: readonly string[];
  readonly only_b: readonly string[];
}

/**
 * Compares two runs recipe by recipe; models may differ.
 * @throws UserError if the questions or metrics differ, or no item is in both
 */
export function compareRuns(a: Run, b: Run): Comparisons {
  // Tasks with the same questions may differ in name: a user's file is named relative to the working directory.
  if (!sameQuestions(a, b)) requireSame("task", a, b, ({ task }) => task);
  requireSame("metric", a, b, ({ metric }) => metric.name);
  const [ofA, ofB] = [recipesOf(a), recipesOf(b)];
  return {
    metric: a.summary.metric,
    recipes: ofA.filter((recipe) => ofB.includes(recipe)).map((recipe) => compared(recipe, a, b)),
    only_a: ofA.filter((recipe) => !ofB.includes(recipe)),
    only_b: ofB.filter((recipe) => !ofA.includes(recipe)),
  };
}

const recipesOf = ({ summary }: Run): string[] => summary.recipes.map(({ recipe }) => recipe);

function requireSame(what: string, a: Run, b: Run, of: (summary: Summary) => string): void {
  const [x, y] = [of(a.summary), of(b.summary)];
  if (x !== y)
    throw new UserError(`runs of different ${what}s cannot be compared: ${a.folder} has ${x}, ${b.folder} has ${y}`);
}

/** True if every common item has the same question in both runs' results. */
function sameQuestions(a: Run, b: Run): boolean {
  const pairs = pairsOf("dense", a, b);
  return pairs.length > 0 && pairs.every(([x, y]) => x.item_hash !== undefined && x.item_hash === y.item_hash);
}

function compared(recipe: string, a: Run, b: Run): Comparison {
  const { metric, seed } = a.summary;
  const pairs = pairsOf(recipe, a, b);
  if (pairs.length === 0)
    throw new UserError(`no item of ${a.folder} is in ${b.folder}: they hold different items of ${a.summary.task}`);
  const [before, after] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
  const parts = (results: readonly Result[]) => results.map((result) => result.parts[metric.name]!);
  const { quality } = metricNamed(metric.name);
  const side = (results: readonly Result[]): Side => ({
    ...bootstrap(parts(results), quality, { seed }),
    ...{ flops_saved: savedShare(flops(results)), ...meanCosts(results) },
  });
  const { better, same, worse } = differences(metric, before, after);
  return {
    ...{ recipe, items: pairs.length, other_items: pairs.filter(otherQuestions).length },
    ...{ a: side(before), b: side(after) },
    delta: pairedDelta(parts(after), parts(before), quality, { seed }),
    by_item: { better, same, worse },
  };
}

/** Results without item hashes count as results of the same question. */
const otherQuestions = ([{ item_hash: a }, { item_hash: b }]: readonly [Result, Result]): boolean =>
  a !== undefined && b !== undefined && a !== b;

/** The recipe's results in both runs, item by item. */
function pairsOf(recipe: string, a: Run, b: Run): [Result, Result][] {
  const byItem = new Map(b.results.filter((result) => result.recipe === recipe).map((result) => [result.item, result]));
  return a.results.flatMap((result): [Result, Result][] => {
    const other = result.recipe === recipe ? byItem.get(result.item) : undefined;
    return other ? [[result, other]] : [];
  });
}
