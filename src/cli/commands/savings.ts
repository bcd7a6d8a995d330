import type { Command } from "commander";
import { z } from "zod";
import { savings } from "../../savings/registry.ts";
import type { Saving } from "../../savings/saving.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command.option("--json", "print a JSON array with the options' schemas").action(list);
}

function list({ json = false }: { json?: boolean }): void {
  if (json) printJson(savings.map(described));
  else for (const saving of savings) print(heading(saving), ...optionLines(saving));
}

const heading = ({ name, group, summary }: Saving): string => `${name} (${group}): ${summary}`;

const schemaOf = ({ options }: Saving) => z.toJSONSchema(options, { io: "input" });

const described = (saving: Saving) => ({
  name: saving.name,
  group: saving.group,
  summary: saving.summary,
  options: schemaOf(saving),
  needs: saving.needs,
});

function optionLines(saving: Saving): string[] {
  const options = Object.entries(schemaOf(saving).properties ?? {}) as [string, z.core.JSONSchema.BaseSchema][];
  return columns(options.map(([name, schema]) => ["", name, shape(schema), schema.description ?? ""]));
}

function shape({ default: usual, enum: choices, type }: z.core.JSONSchema.BaseSchema): string {
  const kind = choices?.join("|") ?? String(type ?? "");
  return usual === undefined ? kind : `${kind} = ${typeof usual === "object" ? JSON.stringify(usual) : usual}`;
}
