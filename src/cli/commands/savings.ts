import type { Command } from "commander";
import type { z } from "zod";
import { catalogue, type Listed } from "../../library/catalogue.ts";
import { UserError } from "../../util/errors.ts";
import { columns, print, printJson } from "../output.ts";
import * as calibrate from "./savings-calibrate.ts";
import * as train from "./savings-train.ts";

export function define(command: Command): void {
  calibrate.define(command.command("calibrate").description("calibrate a saving for a model on texts"));
  train.define(command.command("train").description("train the exits of a saving for a model on texts"));
  // Last: a verb that is added to it takes over what it allows.
  command.option("--json", "print a JSON array with option schemas").allowExcessArguments().action(list);
}

async function list({ json = false }: { json?: boolean }, { args: [name] }: Command): Promise<void> {
  if (name !== undefined)
    throw new UserError(`savings lists all savings, pipelines and methods; expected no name, got "${name}"`, 2);
  const all = await catalogue();
  if (json) printJson(all);
  else for (const listed of all) print(heading(listed), ...optionLines(listed));
}

const heading = ({ kind, name, group, summary }: Listed): string =>
  `${name} (${kind === "saving" ? `${group} ${kind}` : kind}): ${summary}`;

function optionLines({ options: { properties = {} } }: Listed): string[] {
  const options = Object.entries(properties) as [string, z.core.JSONSchema.BaseSchema][];
  return columns(options.map(([name, schema]) => ["", name, shape(schema), schema.description ?? ""]));
}

function shape({ default: usual, enum: choices, type }: z.core.JSONSchema.BaseSchema): string {
  const kind = choices?.join("|") ?? String(type ?? "");
  return usual === undefined ? kind : `${kind} = ${typeof usual === "object" ? JSON.stringify(usual) : usual}`;
}
