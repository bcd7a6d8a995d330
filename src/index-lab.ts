/** The module `modicum/lab`: measures what savings cost in quality. */

export { compareRuns, type Run } from "./lab/report/compare.ts";
export type { Result, Summary } from "./lab/results.ts";
export type { Cell } from "./lab/run/cell.ts";
export { type Grid, runGrid, type Watcher } from "./lab/run/grid.ts";
export { findRuns, readRun } from "./lab/run/held.ts";
export type { Task } from "./lab/task.ts";
export { findTask, taskNames } from "./lab/tasks/registry.ts";
export { parseRecipe, type Recipe } from "./savings/recipe.ts";
export { type ResolvedModel, resolveModel } from "./weights/sources/index.ts";
