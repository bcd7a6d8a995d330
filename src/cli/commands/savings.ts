import type { Command } from "commander";
import { type CatalogueEntry, catalogue } from "../../library/catalogue.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { examples } from "../help.ts";
import { print, printJson } from "../output.ts";
import { detailLines, listLines } from "../savings-text.ts";
import * as calibrate from "./savings-calibrate.ts";
import * as train from "./savings-train.ts";

export function define(command: Command): void {
  calibrate.define(command.command("calibrate").description("calibrate a saving for a model on texts"));
  train.define(command.command("train").description("train the exits of a saving for a model on texts"));
  // This comes last, since adding a subcommand copies the parent's settings.
  command
    .argument("[saving|pipeline|method]", "a saving, a pipeline or a method: show its options, presets and needs")
    .option("--json", "print a JSON array with option schemas")
    .action(list);
  examples(command, "modicum savings", "modicum savings xattention");
}

async function list(name: string | undefined, { json = false }: { json?: boolean }): Promise<void> {
  const all = await catalogue();
  const listed = name === undefined ? all : named(name, all);
  if (json) printJson(listed);
  else if (name === undefined) print(...listLines(all));
  else print(listed.map((one) => detailLines(one).join("\n")).join("\n\n"));
}

/** All savings, pipelines and methods called `name`. @throws UserError if there are none */
function named(name: string, all: readonly CatalogueEntry[]): CatalogueEntry[] {
  const matches = all.filter((listed) => listed.name === name);
  if (matches.length > 0) return matches;
  const names = all.map((listed) => listed.name);
  throw new UserError(`no saving, pipeline or method is called "${name}"${suggest(name, names)}`, 2);
}
