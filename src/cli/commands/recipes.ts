import type { Command } from "commander";
import { type Registered, registeredRecipes } from "../../savings/registered.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command.option("--json", "print a JSON array").action(list);
}

async function list({ json = false }: { json?: boolean }): Promise<void> {
  const recipes = Object.entries(await registeredRecipes());
  if (json) return printJson(recipes.map(([name, entry]) => ({ name, ...entry })));
  if (recipes.length === 0) return print("no recipe is registered yet; `modicum lab pick` registers one from a run");
  print(...columns([["NAME", "RECIPE", "FLOPS SAVED", "QUALITY", "TASK"], ...recipes.map(row)]));
}

const row = ([name, { recipe, evidence }]: [string, Registered]): string[] => [
  name,
  recipe.join(" ") || "dense",
  `${(100 * evidence.flops_saved).toFixed(1)} %`,
  `${evidence.metric} ${evidence.quality.toFixed(4)} (${evidence.delta < 0 ? "" : "+"}${evidence.delta.toFixed(4)})`,
  evidence.task,
];
