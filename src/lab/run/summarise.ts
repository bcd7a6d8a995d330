import { savedShare } from "../../ledger/receipt.ts";
import { mean } from "../../util/mean.ts";
import { bootstrap, pairedDelta } from "../metrics/bootstrap.ts";
import type { RecipeSummary, Result } from "../results.ts";
import type { Task } from "../task.ts";
import { actionOf } from "./acted.ts";
import { consistencyWith, emptyShare } from "./consistency.ts";
import { onFrontier } from "./frontier.ts";
import { type AnyMetric, metricsOf } from "./judge.ts";

/** Summarises each recipe's results, dense first. Every recipe has the same items, in the same order. */
export function summarise(task: Task, seed: number, byRecipe: ReadonlyMap<string, readonly Result[]>): RecipeSummary[] {
  const dense = byRecipe.get("dense")!;
  const summaries = [...byRecipe].map(([recipe, results]) => summary(task, seed, recipe, results, dense));
  const points = summaries.map((s) => ({ quality: s.quality, saved: s.flops_saved }));
  const frontier = onFrontier(points, metricsOf(task)[0]!.better);
  return summaries.map((s, i) => ({ ...s, on_frontier: frontier[i]! }));
}

const resampling = ({ resampled }: AnyMetric) => resampled && { resampled };

/** The difference between dense and itself. */
const NONE: RecipeSummary["delta"] = { mean: 0, ci95: [0, 0] };

function summary(
  task: Task,
  seed: number,
  recipe: string,
  results: readonly Result[],
  dense: readonly Result[],
): Omit<RecipeSummary, "on_frontier"> {
  const [main, ...others] = metricsOf(task);
  const partsOf = (some: readonly Result[], metric: string) => some.map((r) => r.parts[metric]!);
  const quality = (metric: typeof main) => metric!.quality.bind(metric);
  const measured = (metric: typeof main) =>
    bootstrap(partsOf(results, metric!.name), quality(metric), { seed, ...resampling(metric!) });
  const [own, base] = [partsOf(results, main!.name), partsOf(dense, main!.name)];
  return {
    recipe,
    ...measured(main),
    delta: results === dense ? NONE : pairedDelta(own, base, quality(main), { seed }),
    ...consistencyWith(dense, results),
    ...emptyShare(results),
    ...(results !== dense && { acted: actionOf(results) }),
    flops_saved: savedShare(flops(results)),
    ...meanCosts(results),
    others: Object.fromEntries(others.map((metric) => [metric.name, measured(metric)])),
  };
}

/** The mean cost of an item; bytes only if all results have them. */
export function meanCosts(
  results: readonly Result[],
): Pick<RecipeSummary, "flops_per_item" | "ms_per_item" | "bytes_per_item" | "shared_tokens"> {
  const shared = results.reduce((sum, { shared = 0 }) => sum + shared, 0);
  const known = results.every(({ bytes }) => bytes !== undefined);
  return {
    flops_per_item: mean(results.map(({ flops }) => flops.spent)),
    ms_per_item: mean(results.map(({ ms }) => ms)),
    ...(known && { bytes_per_item: mean(results.map(({ bytes }) => bytes!.spent)) }),
    ...(shared > 0 && { shared_tokens: shared }),
  };
}

export function flops(results: readonly Result[]): Result["flops"] {
  const sum = { dense: 0, spent: 0 };
  for (const { flops } of results) {
    sum.dense += flops.dense;
    sum.spent += flops.spent;
  }
  return sum;
}
