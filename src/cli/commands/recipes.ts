import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { checkSavings } from "../../engine/file/check-savings.ts";
import { switchOn } from "../../savings/auto/audit-state.ts";
import { switchCertificate } from "../../savings/auto/certificate.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import {
  chosenRecipe,
  listedSteps,
  type Registered,
  recipeName,
  registeredRecipes,
  registeredText,
  registerRecipe,
  shortName,
  unregisterRecipe,
} from "../../savings/registered.ts";
import { checked } from "../../util/checked.ts";
import { localModel } from "../../weights/sources/index.ts";
import { collect } from "../flags.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command.option("--json", "print a JSON array").action(list);
  command
    .command("add")
    .description("register a recipe for a model, used as MODEL@NAME")
    .argument("<name>")
    .requiredOption("--model <model>", "as for `run`")
    .option("--save <saving>", "a saving, name or name:key=value,…; may be repeated (default: dense)", collect)
    .option("--adapter <folder>", "a PEFT LoRA adapter of every request")
    .action(add);
  command
    .command("on")
    .description("let a certificate choose recipes again, after an audit or `recipes off` switched it off")
    .argument("<name>", "as in auto:NAME")
    .action((name: string) => turn(name, true));
  command
    .command("off")
    .description("answer requests of a certificate by dense, from the next one on")
    .argument("<name>", "as in auto:NAME")
    .action((name: string) => turn(name, false));
  command.command("rm").description("remove a recipe").argument("<name>", "MODEL@NAME, as listed").action(remove);
}

async function list({ json = false }: { json?: boolean }): Promise<void> {
  const recipes = Object.entries(await registeredRecipes());
  if (json) return printJson(recipes.map(([name, entry]) => ({ name, ...entry })));
  if (recipes.length === 0)
    return print(
      "no recipes are registered; `modicum lab pick` registers one from a run, `modicum recipes add` any other",
    );
  print(...columns([["NAME", "RECIPE", "FLOPS SAVED", "QUALITY", "TASK"], ...recipes.map(row)]));
}

function row([name, entry]: [string, Registered]): string[] {
  const { adapter, evidence } = entry;
  const gone = adapter && !existsSync(adapter.folder) ? ` (there is no folder ${adapter.folder})` : "";
  const beside = adapter ? [`adapter ${path.basename(adapter.folder)}${gone}`] : [];
  const shown = [name, [listedSteps(entry).join(" ") || "dense", ...beside].join(", ")];
  if (!evidence) return [...shown, "not measured", "", ""];
  const { flops_saved, metric, quality, delta, task } = evidence;
  const change = `${delta < 0 ? "" : "+"}${delta.toFixed(4)}`;
  return [...shown, `${(100 * flops_saved).toFixed(1)} %`, `${metric} ${quality.toFixed(4)} (${change})`, task];
}

interface Addition {
  readonly model: string;
  readonly save?: readonly string[];
  readonly adapter?: string;
}

async function add(name: string, { model, save = [], adapter }: Addition): Promise<void> {
  const full = `${shortName(model)}@${checked(recipeName, name)}`;
  const here = await localModel(model);
  const written = parseRecipe(save);
  // A model that is not downloaded yet is checked when it is loaded.
  const steps = here ? await checkSavings(here, written) : written;
  // The absolute path works from any folder.
  const earlier = await registerRecipe(full, chosenRecipe(here?.source === "file" ? here.path : model, steps, adapter));
  process.stderr.write(`registered as ${registeredText(full, earlier)}: \`modicum run --model ${full} …\` uses it\n`);
}

async function turn(name: string, on: boolean): Promise<void> {
  await (on ? switchOn(name) : switchCertificate(name, false));
  print(`auto:${name} is ${on ? "on" : "off: its requests run dense"}`);
}

async function remove(name: string): Promise<void> {
  await unregisterRecipe(name);
  print(`removed ${name}`);
}
