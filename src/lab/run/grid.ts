import path from "node:path";
import { absoluteText, resolvedText } from "../../savings/files.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { writeJson } from "../../util/write-whole.ts";
import { quantHere } from "../../weights/prepared/tuning.ts";
import { lockFile } from "../../weights/sources/home.ts";
import { withLock } from "../../weights/sources/lock.ts";
import { stringify } from "../reals.ts";
import type { RecipeSummary, SearchRecord, Summary } from "../results.ts";
import { type Cell, type KnownCell, type OpenCell, recipeText, reopenCell } from "./cell.ts";
import { CellRun } from "./cell-run.ts";
import { checkAll, openChecked } from "./check.ts";
import { type Executor, LocalExecutor } from "./executor.ts";
import { claimFolder, summaryFile } from "./folder.ts";
import { folderOf, type Grid, recipesFor, type Watcher } from "./grid-of.ts";
import { chanceOf, hollow } from "./hollow.ts";
import { metricsOf } from "./judge.ts";
import { machine, versions } from "./machine.ts";
import { summarise } from "./summarise.ts";

export type { Grid, Watcher } from "./grid-of.ts";

/** Runs every cell of the grid; each ends with its summary on disk. @throws UserError; an AbortError when stopped, after which it can be resumed */
export async function runGrid(grid: Grid, watcher: Watcher, signal?: AbortSignal): Promise<Summary[]> {
  const folders = grid.cells.map((cell) => folderOf(grid, cell));
  const twice = folders.find((folder, i) => folders.indexOf(folder) !== i);
  if (twice)
    throw new UserError(`two of the runs would share the folder ${twice}; list each model, task and form once`, 2);
  const summaries: Summary[] = [];
  for (const cell of grid.cells.length > 1 ? await checkAll(grid, watcher, signal) : grid.cells) {
    const onWait = () => watcher.notice?.(`another process runs in ${folderOf(grid, cell)}; waiting for it`);
    const run = () => runCell(grid, cell, watcher, signal);
    summaries.push(await withLock(lockOf(folderOf(grid, cell)), { onWait, signal }, run));
  }
  return summaries;
}

/** The lock lies outside the folder, which holds only the run. */
const lockOf = (folder: string): string => lockFile(`lab-${sha256Of(path.resolve(folder)).slice(0, 24)}`);

/** Runs one cell. If the cell was checked before, its model is loaded again. */
async function runCell(grid: Grid, cell: Cell | KnownCell, watcher: Watcher, signal?: AbortSignal): Promise<Summary> {
  using open = "items" in cell ? await reopenCell(cell) : await openChecked(grid, cell, watcher, signal);
  const folder = folderOf(grid, cell);
  // The queue is opened before the folder is written to: if it does not answer, the folder is unchanged.
  await using executor = await executorOf(grid, open, watcher);
  await claimFolder(folder, { ...open.identity, version: grid.version }, grid.reuse, watcher.notice);
  watcher.begin(open);
  await using run = await CellRun.open(folder, open, executor, (...of) => watcher.recipe(open, ...of), signal);
  const summary = summaryOf(grid, run, await answered(grid, run));
  await writeJson(summaryFile(folder), JSON.parse(stringify(summary)));
  for (const recipe of summary.recipes) for (const sentence of hollow(summary, recipe)) watcher.notice?.(sentence);
  await report(folder, run, summary);
  return summary;
}

async function executorOf(
  { queue, version }: Grid,
  { source, quant, options, identity, model, dense }: OpenCell,
  watcher: Watcher,
): Promise<Executor> {
  if (queue === undefined) return new LocalExecutor(model, dense);
  const setting = { source, quant: quantHere(source, quant), truncate: options.truncate };
  const { QueueExecutor } = await import("../queue/queue-executor.ts");
  return QueueExecutor.open(queue, setting, { modelHash: identity.model_hash, version }, (sentence) =>
    watcher.notice?.(sentence),
  );
}

interface Outcome {
  readonly recipes: readonly Recipe[];
  readonly searches: readonly SearchRecord[];
}

/** Runs every recipe of the grid, dense first, then the recipes that searches find. */
async function answered({ searches, budget, ...grid }: Grid, run: CellRun): Promise<Outcome> {
  const recipes = await recipesFor(grid, run.cell);
  for (const recipe of withDense(recipes)) await run.complete(recipe);
  const outcomes = [];
  for (const spec of searches) outcomes.push(await run.search(spec, budget));
  const searchedRecipes = outcomes.flatMap((outcome) => outcome.found);
  return { recipes: withDense([...recipes, ...searchedRecipes]), searches: outcomes.map(({ searched }) => searched) };
}

async function report(folder: string, { cell, results }: CellRun, summary: Summary): Promise<void> {
  // The report's plotting libraries take a third of a second to load, so they are loaded last.
  const { writeReport } = await import("../report/index.ts");
  await writeReport(folder, {
    ...{ summary, items: new Map(cell.items.map((item) => [item.id, item])) },
    results: summary.recipes.flatMap(({ recipe }) => results.of(recipe)),
  });
}

/** The recipes without repetition, dense first. */
function withDense(recipes: readonly Recipe[]): Recipe[] {
  const byText = new Map([[] as Recipe, ...recipes].map((recipe) => [recipeText(recipe), recipe]));
  return [...byText.values()];
}

function summaryOf(grid: Grid, { cell, results }: CellRun, { recipes, searches }: Outcome): Summary {
  const { task, source, identity, options } = cell;
  const texts = recipes.map(recipeText);
  const { name, better } = metricsOf(task)[0]!;
  return {
    ...{ task: task.name, metric: { name, better }, model: identity.model, model_hash: identity.model_hash },
    ...(source.source === "file" && { model_file: source.path }),
    quant: identity.quant,
    ...{ seed: options.seed, limit: identity.limit, truncate: identity.truncate, rows: identity.rows },
    ...{ prompt: identity.prompt, chance: chanceOf(cell.items), ...adapterOf(cell) },
    ...{ items: cell.items.length, too_long: cell.tooLong },
    ...(cell.cutTexts > 0 && { cut_texts: cell.cutTexts }),
    recipes: summarise(task, options.seed, new Map(texts.map((text) => [text, results.of(text)]))).map(
      (summary, i) => ({ ...summary, ...stepsOf(recipes[i]!) }),
    ),
    ...(searches.length > 0 && { searches: [...searches] }),
    command: grid.command,
    machine: machine(),
    versions: { modicum: grid.version, ...versions() },
    created: new Date().toISOString(),
  };
}

const adapterOf = ({ adapter, identity }: KnownCell): Pick<Summary, "adapter"> =>
  adapter !== undefined && identity.adapter !== undefined
    ? { adapter: { folder: path.relative("", adapter) || ".", sha256: identity.adapter } }
    : {};

/** A recipe's steps with every option, and with absolute paths if its text is not enough to run it elsewhere. */
const stepsOf = (recipe: Recipe): Pick<RecipeSummary, "steps" | "resolved"> => {
  const steps = recipe.map(absoluteText);
  const resolved = recipe.map(resolvedText);
  const unclear = steps.some((step, i) => step !== recipe[i]!.text || step.includes(" "));
  return { ...(unclear && { steps }), ...(resolved.length > 0 && { resolved }) };
};
