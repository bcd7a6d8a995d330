import { checkSavings } from "../../engine/file/check-savings.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { type Result, resultSchema } from "../results.ts";
import { type Cell, type KnownCell, type OpenCell, openCell, recipeText } from "./cell.ts";
import { checkFolder, resultsFile } from "./folder.ts";
import { folderOf, type Grid, recipesFor, type Watcher } from "./grid-of.ts";
import { heldLines } from "./lines-file.ts";
import { requireOwn } from "./own-results.ts";
import { fileHashes, requireUnchanged } from "./recipe-files.ts";
import type { SearchSpec } from "./search/spec.ts";

/**
 * Opens and checks all cells first, so that an error in the last cell is reported before the first cell runs.
 * @throws UserError
 */
export async function checkAll(grid: Grid, watcher: Watcher, signal?: AbortSignal): Promise<KnownCell[]> {
  const known: KnownCell[] = [];
  for (const cell of grid.cells) {
    using open = await openChecked(grid, cell, watcher, signal);
    const { model, dense, [Symbol.dispose]: _, ...rest } = open;
    known.push(rest);
  }
  return known;
}

/**
 * Opens a cell and checks that its model and data exist, its folder may be used, and the model supports its recipes.
 * @throws UserError
 */
export async function openChecked(grid: Grid, cell: Cell, watcher: Watcher, signal?: AbortSignal): Promise<OpenCell> {
  const open = await fetched(cell, watcher, signal);
  try {
    const held = await checkHeld(grid, open);
    for (const recipe of await knownRecipes(grid, cell)) {
      signal?.throwIfAborted();
      const own = held.filter((result) => result.recipe === recipeText(recipe));
      requireUnchanged(resultsFile(folderOf(grid, cell)), await fileHashes(recipe), own);
      if (own.length < open.items.length) await checkRecipe(open, recipe);
    }
    return open;
  } catch (error) {
    open[Symbol.dispose]();
    throw error;
  }
}

/** @throws UserError if the model does not support the recipe, or the recipe makes the task's items unanswerable */
async function checkRecipe({ task, source, model, items }: OpenCell, recipe: Recipe): Promise<void> {
  await checkSavings(source, recipe);
  if (task.kind !== "text") return;
  using answerer = await model.under(recipe);
  for (const item of items) answerer.plan(item);
}

async function fetched(cell: Cell, watcher: Watcher, signal?: AbortSignal): Promise<OpenCell> {
  using fetching = watcher.fetching?.(cell);
  return await openCell(cell, { ...fetching, ...(signal && { signal }) });
}

/** The results already in the cell's folder. */
async function checkHeld(grid: Grid, cell: OpenCell): Promise<Result[]> {
  const folder = folderOf(grid, cell);
  const goesOn = await checkFolder(folder, { ...cell.identity, version: grid.version }, grid.reuse);
  const results = goesOn ? await heldLines(resultsFile(folder), resultSchema) : [];
  requireOwn(resultsFile(folder), results, cell);
  return results;
}

/** Recipes known before the run; for a search, both ends of its range. */
const knownRecipes = async (grid: Grid, cell: Cell): Promise<Recipe[]> => [
  ...(await recipesFor(grid, cell)),
  ...grid.searches.flatMap(ends),
];

function ends(spec: SearchSpec): readonly Recipe[] {
  switch (spec.kind) {
    case "range":
      return [spec.at(spec.low), spec.at(spec.high)];
    case "grid":
      return spec.recipes.slice(0, 1);
  }
}
