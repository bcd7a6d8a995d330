import type { Recipe } from "../../savings/recipe.ts";
import type { Item } from "../item.ts";
import type { Result, SearchRecord } from "../results.ts";
import { CellResults, type OnResult, type OpenCell, recipeText } from "./cell.ts";
import type { Executor } from "./executor.ts";
import { resultsFile } from "./folder.ts";
import { RunProber } from "./probe.ts";
import type { BudgetOptions } from "./search/budget.ts";
import { search } from "./search/index.ts";
import type { SearchSpec } from "./search/spec.ts";

/** Called when a recipe begins or resumes, with its existing results. */
type Watch = (recipe: string, held: readonly Result[]) => OnResult;

/** One running cell of a grid: its items, its results, and its executor. */
export class CellRun implements AsyncDisposable {
  private constructor(
    readonly cell: OpenCell,
    readonly results: CellResults,
    private readonly executor: Executor,
    private readonly watch: Watch,
    private readonly signal: AbortSignal | undefined,
  ) {}

  static async open(
    folder: string,
    cell: OpenCell,
    executor: Executor,
    watch: Watch,
    signal?: AbortSignal,
  ): Promise<CellRun> {
    return new CellRun(cell, await CellResults.open(cell, resultsFile(folder)), executor, watch, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.results.close();
  }

  /** Answers the items that have no answer yet under the recipe. */
  complete(recipe: Recipe, items: readonly Item[] = this.cell.items): Promise<void> {
    const on = this.watch(recipeText(recipe), this.results.held(recipeText(recipe), items));
    return this.results.complete(recipe, items, this.executor, on, this.signal);
  }

  /** Settings that a search finds, and its cost. */
  async search(spec: SearchSpec, budget: BudgetOptions): Promise<{ found: Recipe[]; searched: SearchRecord }> {
    const prober = new RunProber(this, budget);
    const recipes = await search(spec, prober);
    const ended = prober.budget.allows ? "found" : "budget";
    return { found: recipes, searched: { search: spec.text, ...prober.budget.spent, ended } };
  }
}
