import { savedShare } from "../../ledger/receipt.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { Result } from "../results.ts";
import { recipeText } from "./cell.ts";
import type { CellRun } from "./cell-run.ts";
import type { Point } from "./frontier.ts";
import { metricsOf } from "./judge.ts";
import { Budget, type BudgetOptions, type Spending } from "./search/budget.ts";
import type { Estimate, Prober } from "./search/index.ts";
import { flops } from "./summarise.ts";

/** Measures a search's recipes in a run, and stores the results. */
export class RunProber implements Prober {
  readonly budget: Budget;
  readonly items: number;
  readonly better: "higher" | "lower";
  /** The bill of each recipe. */
  readonly #billed = new Map<string, Spending>();

  constructor(
    private readonly run: CellRun,
    most: BudgetOptions,
  ) {
    this.budget = new Budget(most);
    this.items = run.cell.items.length;
    this.better = metricsOf(run.cell.task)[0]!.better;
  }

  async measure(recipe: Recipe, items: number): Promise<Point> {
    const some = this.run.cell.items.slice(0, items);
    await this.run.complete(recipe, some);
    const results = this.run.results.of(recipeText(recipe), some);
    this.#bill(recipeText(recipe), results);
    const metric = metricsOf(this.run.cell.task)[0]!;
    return { quality: metric.quality(results.map((r) => r.parts[metric.name]!)), saved: savedShare(flops(results)) };
  }

  async estimate(recipe: Recipe, items: number): Promise<Estimate> {
    const some = this.run.cell.items.slice(0, items);
    const first = some.slice(0, 1);
    await this.run.complete(recipe, first);
    const one = this.run.results.of(recipeText(recipe), first);
    // The first item's time means little, since it includes compiling programs.
    const { spent, dense } = flops(one);
    const all = this.run.results.of("dense", some);
    return {
      item: { flops: spent, minutes: minutesOf(one) },
      all: { flops: (flops(all).spent * spent) / dense, minutes: (minutesOf(all) * spent) / dense },
    };
  }

  /** A recipe's items are billed once, even if the recipe is measured again on more items. */
  #bill(recipe: string, results: readonly Result[]): void {
    const { flops: before, minutes } = this.#billed.get(recipe) ?? { flops: 0, minutes: 0 };
    const all = { flops: flops(results).spent, minutes: minutesOf(results) };
    this.#billed.set(recipe, all);
    this.budget.add({ flops: all.flops - before, minutes: all.minutes - minutes });
  }
}

const minutesOf = (results: readonly Result[]): number => results.reduce((sum, { ms }) => sum + ms, 0) / 60_000;
