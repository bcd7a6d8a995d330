import type { Command } from "commander";
import { z } from "zod";
import { count, signed } from "../../lab/report/format.ts";
import type { RecipeSummary, Summary } from "../../lab/results.ts";
import { requireRun } from "../../lab/run/held.ts";
import { hollow } from "../../lab/run/hollow.ts";
import { evidenced, fasterWithoutFlops, moreItems, type PickGoal, pick, readSummary } from "../../lab/run/pick.ts";
import { recipeName, registeredText, registerRecipe, shortName } from "../../savings/registered.ts";
import { UserError } from "../../util/errors.ts";
import { warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { quoted } from "../lab-command.ts";
import { print, printJson } from "../output.ts";

const options = z.strictObject({
  quality: z
    .number()
    .optional()
    .describe("pick the cheapest recipe whose change in quality is proven to be at least this, such as -0.01"),
  saving: z.number().max(1).optional().describe("pick the best recipe that saves at least this share (0.3) of FLOPs"),
  as: recipeName.default("fast").describe("the recipe's name, used as MODEL@NAME"),
});

export function define(command: Command): void {
  addFlags(command.argument("[folder]", "a run's folder, from `lab run --out`"), options)
    .option("--force", "register a recipe even if the run has too few items to judge it")
    .option("--json", "print one JSON object")
    .action(pickRecipe);
  examples(command, "modicum lab pick runs/arc --quality -0.01", "modicum lab pick runs/arc --saving 0.3 --as fast");
}

async function pickRecipe(folder: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<void> {
  const { quality, saving, as } = readFlags(options, flags);
  if (folder === undefined)
    throw new UserError("expected a run's folder, from `lab run --out FOLDER`, and --quality or --saving", 2);
  const goal = goalOf(folder, quality, saving);
  await requireRun(folder);
  const summary = await readSummary(folder);
  const picked = pick(summary, goal);
  requireSolid(summary, picked, flags["force"] === true);
  if (picked.recipe === "dense") throw new UserError(nothingFor(summary, goal));
  const { entry, notice } = await evidenced(folder, summary, picked);
  if (notice !== undefined) warn(notice);
  const name = `${shortName(summary.model)}@${as}`;
  const earlier = await registerRecipe(name, entry);
  if (flags["json"]) return printJson({ name, ...entry });
  print(picked.recipe);
  // A model with an adapter needs no --raw: it reads prompts in the format that the adapter was trained on.
  const raw = entry.evidence?.prompt === "raw" && !entry.adapter ? "--raw " : "";
  process.stderr.write(
    `${doubtOn(summary, picked)}\nregistered as ${registeredText(name, earlier)}: \`modicum run ${raw}--model ${name} …\` uses it\n`,
  );
}

/** @throws UserError if the run has too few items to judge the recipe, without --force */
function requireSolid(summary: Summary, picked: RecipeSummary, force: boolean): void {
  const dense = summary.recipes.find(({ recipe }) => recipe === "dense")!;
  const faults = [...new Set([dense, picked])].flatMap((recipe) => hollow(summary, recipe));
  if (summary.prompt === undefined)
    warn("this run does not record its prompt form; the server may read prompts differently");
  if (faults.length === 0) return;
  if (!force) throw new UserError(`${faults.join("; ")}; --force registers the recipe anyway`);
  for (const fault of faults) warn(fault);
}

/** The worst change that a run does not rule out. */
function doubtOn({ metric, items }: Summary, { delta }: RecipeSummary): string {
  const worst = metric.better === "higher" ? delta.ci95[0] : delta.ci95[1];
  return `with ${count(items, "item")}, a change of ${metric.name} as bad as ${signed(worst)} cannot be excluded`;
}

/** The error if only dense meets the condition: a name for dense would promise a saving. */
function nothingFor(summary: Summary, goal: PickGoal): string {
  const more = "quality" in goal ? `; ${moreItems(summary, goal.quality)}${byTime(summary, goal.quality)}` : "";
  return `no recipe that saves FLOPs meets the condition, so none is registered${more}`;
}

/** Reports a recipe that saves only time, since such a recipe is never picked. */
function byTime(summary: Summary, quality: number): string {
  const found = fasterWithoutFlops(summary, quality);
  if (!found) return "";
  const saves = found.recipe.split(" ").map((text) => `--save ${quoted(text)}`);
  const add = `modicum recipes add fast --model ${quoted(summary.model)} ${saves.join(" ")}`;
  return `; ${found.recipe} took less time than dense, but \`lab pick\` compares only FLOPs: \`${add}\` registers it`;
}

function goalOf(folder: string, quality: number | undefined, saving: number | undefined): PickGoal {
  if (quality !== undefined && saving === undefined) return { quality };
  if (saving !== undefined && quality === undefined) return { saving };
  const call = `modicum lab pick ${quoted(folder)} --quality -0.01`;
  throw new UserError(`expected either --quality or --saving, such as \`${call}\``, 2);
}
