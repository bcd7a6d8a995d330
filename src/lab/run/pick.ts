import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { filesOf } from "../../savings/files.ts";
import { type EarlierRecipe, earlierRecipe, type RegisteredRecipe, writtenSteps } from "../../savings/registered.ts";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { readJson } from "../../weights/json-file.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { parseSpec } from "../../weights/sources/spec.ts";
import { type RecipeSummary, type Summary, summarySchema } from "../results.ts";
import { summaryFile } from "./folder.ts";

/** The goal of a pick: the worst acceptable change in quality, or the smallest acceptable share of FLOPs saved. */
export type PickGoal = { readonly quality: number } | { readonly saving: number };

/** The summary in a run's folder. @throws UserError if it is missing */
export async function readSummary(folder: string): Promise<Summary> {
  return readJson(summaryFile(folder), summarySchema, "the summary of a lab run");
}

/**
 * The recipe to deploy: the one that saves the most among those proven to change quality by `quality` (-0.01) or
 * better; or the best one among the recipes that save at least `saving` (0.3). A change in quality is judged by the
 * worse end of its interval. @throws UserError if no recipe qualifies
 */
export function pick(summary: Summary, goal: PickGoal): RecipeSummary {
  const { recipes, metric } = summary;
  const worst = (recipe: RecipeSummary) => worstGain(summary, recipe);
  const first = (order: (r: RecipeSummary) => number) => recipes.toSorted((a, b) => order(b) - order(a));
  if ("quality" in goal) {
    const found = first((r) => r.flops_saved).find((r) => worst(r) >= goal.quality);
    if (found) return found;
    throw new UserError(
      `no recipe is proven to change ${metric.name} by ${goal.quality} or better; ${moreItems(summary, goal.quality)}`,
    );
  }
  const found = first(worst).find((r) => r.flops_saved >= goal.saving);
  if (found) return found;
  const most = Math.max(...recipes.map((r) => r.flops_saved));
  throw new UserError(`no recipe saves ${goal.saving} of dense's FLOPs; the most is ${most.toFixed(3)}`);
}

/** A change in quality, positive if the quality is better. */
const gainOf = ({ better }: Summary["metric"], change: number): number => (better === "higher" ? change : -change);

/** The worse end of a recipe's change in quality; a single item has no interval and proves nothing. */
function worstGain({ metric, items }: Pick<Summary, "metric" | "items">, { recipe, delta }: RecipeSummary): number {
  if (items < 2 && recipe !== "dense") return Number.NEGATIVE_INFINITY;
  return Math.min(...delta.ci95.map((end) => gainOf(metric, end)));
}

/**
 * Estimates the number of items that might prove that a saving recipe changes quality by `quality` or better: an
 * interval's width falls with the square root of the number of items.
 */
export function moreItems({ recipes, metric, items }: Summary, quality: number): string {
  const needs = recipes
    .filter((r) => r.flops_saved > 0)
    .flatMap((r) => {
      const mean = gainOf(metric, r.delta.mean);
      const [room, width] = [mean - quality, mean - worstGain({ metric, items }, r)];
      return room > 0 && Number.isFinite(width)
        ? [{ recipe: r.recipe, items: Math.ceil(items * (width / room) ** 2) }]
        : [];
    })
    .sort((a, b) => a.items - b.items);
  const [least] = needs;
  if (items < 2) return "one item has no interval";
  if (recipes.every((r) => r.flops_saved <= 0)) return "no recipe of this run saves FLOPs";
  if (least === undefined)
    return "every recipe that saves FLOPs is below that on average; more items are unlikely to help";
  return `about ${least.items} items might be enough for ${least.recipe}, if its mean change stays the same as on these ${items} items`;
}

/** The fastest recipe that took less time than dense, saves no FLOPs, and changes quality by `quality` or better on average. */
export function fasterWithoutFlops({ recipes, metric }: Summary, quality: number): RecipeSummary | undefined {
  const dense = recipes.find(({ recipe }) => recipe === "dense")!;
  return recipes
    .filter((r) => r.flops_saved <= 0 && r.ms_per_item < dense.ms_per_item && gainOf(metric, r.delta.mean) >= quality)
    .sort((a, b) => a.ms_per_item - b.ms_per_item)[0];
}

/**
 * Returns the registration of a picked recipe, with absolute paths, and a notice if a default has changed since the
 * run: the recipe keeps the measured settings. @throws UserError if a file that the recipe names is missing
 */
export async function evidenced(
  folder: string,
  summary: Summary,
  picked: RecipeSummary,
): Promise<{ readonly entry: RegisteredRecipe; readonly notice?: string | undefined }> {
  const file = path.resolve(summaryFile(folder));
  const sha256 = sha256Of(await readFile(file));
  const { quality, delta, flops_saved } = picked;
  const { task, model_hash, quant } = summary;
  const { steps, notice } = stepsOf(picked, folder);
  const entry: RegisteredRecipe = {
    ...{ model: modelOf(summary, folder), model_hash },
    ...(quant !== undefined && quantOptions.parse({ quant })),
    ...writtenSteps(steps),
    ...(summary.adapter && { adapter: { ...summary.adapter, folder: existingPath(summary.adapter.folder, folder) } }),
    evidence: {
      ...{ file, sha256, task, metric: summary.metric.name, quality, delta: delta.mean, flops_saved },
      ...(summary.prompt && { prompt: summary.prompt }),
    },
    created: new Date().toISOString(),
  };
  return { entry, notice };
}

/** A user's own file by its absolute path; older runs name it relative to their working directory. */
function modelOf({ model, model_file }: Summary, folder: string): string {
  const spec = model_file === undefined ? parseSpec(model) : ({ kind: "file", path: model_file } as const);
  return spec.kind === "file" ? existingPath(spec.path, folder) : model;
}

function stepsOf({ recipe, steps, resolved }: RecipeSummary, folder: string): EarlierRecipe {
  const read = earlierRecipe(`${folder}: ${recipe}`, { recipe: steps ?? recipe.split(" "), resolved });
  for (const file of filesOf(read.steps)) existingPath(file, folder);
  return read;
}

function existingPath(file: string, folder: string): string {
  if (existsSync(file)) return path.resolve(file);
  throw new UserError(
    `the run in ${folder} needs ${file}, which is missing; run lab pick in the run's working directory, with its files in place`,
  );
}
