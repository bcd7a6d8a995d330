import path from "node:path";
import type { Command } from "commander";
import type { Summary } from "../../lab/results.ts";
import type { Cell } from "../../lab/run/cell.ts";
import type { Reuse } from "../../lab/run/folder.ts";
import { type Grid, runGrid, type Watcher } from "../../lab/run/grid.ts";
import { folderOf } from "../../lab/run/grid-of.ts";
import { runOptions } from "../../lab/run/options.ts";
import { budgetOptions } from "../../lab/run/search/budget.ts";
import { parseSearch } from "../../lab/run/search/spec.ts";
import type { Task } from "../../lab/task.ts";
import { findTask } from "../../lab/tasks/registry.ts";
import {
  pipelineForms,
  pipelineNamed,
  rankPipelineNamed,
  rankPipelines,
  textPipelineNamed,
  textPipelines,
} from "../../pipelines/registry.ts";
import { checkSeams, parseRecipe, type Recipe } from "../../savings/recipe.ts";
import { registeredAs } from "../../savings/registered.ts";
import { UserError } from "../../util/errors.ts";
import { version } from "../../util/package-root.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { modelHash, type ResolvedModel, resolveModel } from "../../weights/sources/index.ts";
import { addFlags, collect, readFlags } from "../flags.ts";
import { ADAPTER, common, examples } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { commandOf } from "../lab-command.ts";
import { watch } from "../lab-progress.ts";
import { summaryTable } from "../lab-table.ts";
import { print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { recipeOf } from "../recipe.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  model?: string[];
  task: string[];
  quant?: string[];
  adapter?: string;
  recipe?: string[];
  search?: string[];
  budgetFlops?: unknown;
  budgetMinutes?: unknown;
  queue?: string;
  out: string;
  resume?: boolean;
  force?: boolean;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .addOption(
      common(
        "--model <model>",
        `MODEL, or ${pipelineForms([...rankPipelines, ...textPipelines])}; may be repeated (default: smollm2)`,
      ).argParser(collect),
    )
    .addOption(
      common("--task <task>", "a task from `lab tasks`, or a FILE.jsonl; may be repeated")
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .addOption(
      common("--recipe <recipe>", "savings separated by spaces, or a JSON or YAML file; may be repeated").argParser(
        collect,
      ),
    )
    .addOption(
      common("--search <saving>", "a saving with an option as low..high, or as a|b|c; may be repeated").argParser(
        collect,
      ),
    )
    .option("--quant <form>", `${quantOptions.shape.quant.description}; may be repeated (default: auto)`, collect)
    .option("--adapter <folder>", ADAPTER)
    .addOption(common("--out <folder>", "where results and summary are written").makeOptionMandatory())
    .option("--queue <url>", "redis://host:port: let `lab worker` processes answer")
    .addOption(common("--resume", "continue the run in the folder"))
    .addOption(common("--force", "replace the run in the folder"))
    .addOption(common("--json", "print one JSON object with the summaries"));
  addFlags(addFlags(command, runOptions), budgetOptions).action(run);
  examples(
    command,
    "modicum lab run --task arc-easy --recipe exit:layer=20 --out runs/arc",
    "modicum lab run --task gsm8k --search exit:layer=10..28 --out runs/exit",
  );
}

async function run(flags: Flags): Promise<void> {
  const signal = interruptSignal();
  using watcher = watch();
  const { grid, summaries } = await summarised(flags, watcher, signal).catch(
    sayHowToGoOn(signal, () => howToGoOn(flags)),
  );
  watcher[Symbol.dispose]();
  if (flags.json) printJson({ summaries });
  else for (const summary of summaries) print(...summaryTable(summary), "");
  for (const [i, summary] of summaries.entries()) process.stderr.write(`${nextStep(grid, i, summary)}\n`);
}

async function summarised(flags: Flags, watcher: Watcher, signal: AbortSignal) {
  const recipes = await recipesOf(flags.recipe ?? []);
  const grid = { ...(await gridOf(flags, signal)), recipes };
  return { grid, summaries: await runGrid(grid, watcher, signal) };
}

/** The path of a cell's report, and the command that registers its best recipe. */
function nextStep(grid: Grid, i: number, { recipes }: Summary): string {
  const cell = grid.cells[i]!;
  const folder = folderOf(grid, cell);
  const report = `report: ${path.join(folder, "report.html")}`;
  if (cell.first || cell.pipeline || recipes.length === 1) return report;
  const pick = commandOf(["lab", "pick", folder, "--quality", "-0.01"]);
  return `${report}; \`${pick}\` registers the recipe that saves the most with a change no worse than -0.01`;
}

const command = (): string => commandOf(process.argv.slice(2));

/** The command that continues a run. It leaves out the queue's address, which may hold a password. */
const howToGoOn = ({ queue }: Flags): string =>
  `\`${command()} --resume\`${queue === undefined ? "" : " with the same --queue"} continues it`;

/** @throws UserError */
async function gridOf(flags: Flags, signal: AbortSignal): Promise<Omit<Grid, "recipes">> {
  // Options that need neither a model nor data are checked first.
  const quants = (flags.quant ?? ["auto"]).map((quant) => readFlags(quantOptions, { quant }).quant);
  const [options, budget] = [readFlags(runOptions, flags), readFlags(budgetOptions, flags)];
  const [reuse, searches] = [reuseOf(flags), (flags.search ?? []).map(parseSearch)];
  const tasks: Task[] = [];
  for (const task of flags.task) tasks.push(await foundTask(task, signal));
  requireUse(flags, options.rows, tasks);
  const models: Pick<Cell, "source" | "adapter" | "first" | "pipeline">[] = [];
  for (const model of flags.model ?? ["smollm2"]) models.push(await modelOf(model, flags, signal));
  const cells = models.flatMap((model) =>
    tasks.flatMap((task) => quants.map((quant): Cell => ({ task, ...model, quant, options }))),
  );
  return {
    cells,
    searches,
    budget,
    queue: flags.queue,
    out: flags.out,
    reuse,
    command: command(),
    version: version(),
  };
}

/** A model, or a pipeline: a reranker includes its model's bundled adapter. @throws UserError */
async function modelOf(name: string, flags: Flags, signal: AbortSignal) {
  const { queue, adapter } = flags;
  const [first, pipeline] = [rankPipelineNamed(name), textPipelineNamed(name)];
  if (adapter !== undefined && queue !== undefined)
    throw new UserError("--adapter: a model with an adapter runs only in this process; omit --queue", 2);
  if (pipeline) {
    alone(name, flags);
    return { source: await resolvedModel(pipeline.roles[pipeline.pipeline.dense]!, signal), adapter, pipeline };
  }
  if (!first) return { source: await resolvedModel(name, signal), adapter };
  alone(name, flags);
  await first.pipeline.checkNames(first);
  const source = await resolvedModel(first.roles[first.pipeline.dense]!, signal);
  const trained = await first.pipeline.prepare(first, () => modelHash(source));
  return { source, first, adapter: adapter ?? trained.adapter };
}

/** @throws UserError for flags that a pipeline does not support */
function alone(name: string, { recipe, search, queue }: Flags): void {
  const { name: own, naming } = pipelineNamed(name)!;
  const what = `${name} is ${naming!.kind}`;
  if (recipe ?? search) throw new UserError(`--model: ${what}, whose recipe is ${own}; omit --recipe and --search`, 2);
  if (queue !== undefined) throw new UserError(`--queue: ${what}, which runs only in this process`, 2);
}

async function foundTask(task: string, signal: AbortSignal): Promise<Task> {
  using download = showDownload(task);
  return await findTask(task, { signal, ...download });
}

/** @throws UserError also for a registered recipe's name, since a run names the model and its recipes separately */
export async function resolvedModel(model: string, signal: AbortSignal): Promise<ResolvedModel> {
  const registered = await registeredAs(model);
  if (registered) {
    const recipe = registered.steps.map(({ text }) => text).join(" ") || "dense";
    const instead = `--model ${registered.model} --recipe "${recipe}"`;
    throw new UserError(`--model: ${model} is a recipe; expected its model and recipe: ${instead}`, 2);
  }
  using download = showDownload(model);
  return await resolveModel(model, { signal, ...download });
}

/** @throws UserError if a flag would have no effect */
function requireUse({ search, budgetFlops, budgetMinutes }: Flags, rows: number, tasks: readonly Task[]): void {
  if (search === undefined && (budgetFlops ?? budgetMinutes) !== undefined)
    throw new UserError("a budget needs a search; add --search, or omit the budget", 2);
  if (rows > 1 && tasks.every(({ kind }) => kind !== "generation"))
    throw new UserError("--rows is only for tasks with generated answers", 2);
}

function reuseOf({ resume = false, force = false }: Flags): Reuse {
  if (resume && force) throw new UserError("--resume continues a run and --force replaces it; use one of them", 2);
  return resume ? "resume" : force ? "force" : "refuse";
}

/**
 * Parses recipes, each a list of savings or a file. @throws UserError if one is empty, unknown, or has two savings that
 * use the same seam
 */
export async function recipesOf(texts: readonly string[]): Promise<Recipe[]> {
  if (texts.some((text) => text.trim() === "")) throw new UserError("--recipe is empty; dense is always included", 2);
  const recipes = await Promise.all(
    texts.map((text) =>
      /\.(json|ya?ml)$/i.test(text) ? recipeOf([], text) : parseRecipe(text.split(/\s+/).filter(Boolean)),
    ),
  );
  recipes.forEach(checkSeams);
  return recipes;
}
