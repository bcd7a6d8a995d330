import { z } from "zod";
import { savings } from "../src/savings/registry.ts";
import type { Saving } from "../src/savings/saving.ts";
import { markdownTable, writeSection } from "./section.ts";

/** The fields of an option's JSON schema that its row shows. */
interface Option {
  type?: string;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  description?: string;
}

/** A saving's options as its page has them. */
export function optionsTable({ options }: Pick<Saving, "options">): string {
  const { properties = {} } = z.toJSONSchema(options, { io: "input" });
  const rows = Object.entries(properties as Record<string, Option>).map(([name, option]) => [
    `\`${name}\``,
    kind(option),
    option.default === undefined ? "" : `\`${option.default}\``,
    option.description ?? "",
  ]);
  return markdownTable(["option", "value", "default", "meaning"], rows);
}

function kind({ type, enum: choices, minimum, maximum }: Option): string {
  if (choices) return choices.join(", ");
  const name = type === "integer" ? "whole number" : type === "boolean" ? "true, false" : (type ?? "");
  // Whole numbers have the greatest safe one as their maximum, which is of no use to a reader.
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum === undefined) return name;
  return bounded ? `${name}, ${minimum} to ${maximum}` : `${name}, at least ${minimum}`;
}

/** A saving's page. */
export const pageOf = ({ name }: Pick<Saving, "name">): string => `docs/savings/${name}.md`;

if (process.argv[1] === import.meta.filename)
  for (const saving of savings) writeSection(pageOf(saving), "options", optionsTable(saving));
