import path from "node:path";
import { checkSavings } from "../../engine/file/check-savings.ts";
import { recipeOf } from "../../pipelines/pipeline.ts";
import { meansPreset, type Recipe } from "../../savings/recipe.ts";
import { pipelineStep } from "../answer/text-pipeline.ts";
import type { Result } from "../results.ts";
import type { Cell, Fetching, OnResult, OpenCell } from "./cell.ts";
import type { Reuse } from "./folder.ts";
import type { BudgetOptions } from "./search/budget.ts";
import type { SearchSpec } from "./search/spec.ts";

/** A grid of tasks and models, in one or more weight formats; each cell runs under every recipe. */
export interface Grid {
  readonly cells: readonly Cell[];
  readonly recipes: readonly Recipe[];
  /** Settings to search for; each search has its own budget. */
  readonly searches: readonly SearchSpec[];
  readonly budget: BudgetOptions;
  /** The address of Redis, through which other processes answer; if undefined, this process answers. */
  readonly queue?: string | undefined;
  readonly out: string;
  readonly reuse: Reuse;
  /** The command that repeats the run. */
  readonly command: string;
  /** Modicum's version. */
  readonly version: string;
}

/**
 * The recipes of a cell, with its model's presets; for a pipeline, only the pipeline itself.
 * @throws UserError if a preset is missing
 */
export const recipesFor = async (
  { recipes }: Pick<Grid, "recipes">,
  { first, pipeline, source }: Cell,
): Promise<readonly Recipe[]> => {
  const named = first ?? pipeline;
  if (named) return [[pipelineStep(named.pipeline, recipeOf(named))]];
  return Promise.all(recipes.map((recipe) => (recipe.some(meansPreset) ? checkSavings(source, recipe) : recipe)));
};

/** Called as a run progresses. */
export interface Watcher {
  /** Options for fetching a task's data, if it is missing. */
  fetching?(cell: Cell): Omit<Fetching, "signal"> & Disposable;
  begin(cell: OpenCell): void;
  /** Called with a notice for the user during the run. */
  notice?(sentence: string): void;
  /** `held`: the recipe's existing results. */
  recipe(cell: OpenCell, recipe: string, held: readonly Result[]): OnResult;
}

/**
 * A cell's folder: the run's own if there is one cell, else a subfolder, named after the weight format if there are
 * several.
 */
export function folderOf({ out, cells }: Pick<Grid, "out" | "cells">, cell: Cell): string {
  if (cells.length === 1) return out;
  const { task, source, quant, first, pipeline } = cell;
  const forms = new Set(cells.map((cell) => cell.quant)).size > 1 ? [quant] : [];
  return path.join(
    out,
    [task.name, path.basename((first ?? pipeline ?? source).name), ...forms].map(fileName).join("@"),
  );
}

const fileName = (name: string): string => name.replace(/[^\w.-]+/g, "_");
