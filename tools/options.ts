import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { pageOf as pageOfKind } from "../src/cli/savings-text.ts";
import type { Pipeline } from "../src/pipelines/pipeline.ts";
import { pipelines } from "../src/pipelines/registry.ts";
import { defaultChanges } from "../src/savings/default-changes.ts";
import { savings } from "../src/savings/registry.ts";
import type { Saving } from "../src/savings/saving.ts";
import { exitTrainOptions } from "../src/train/methods/exit-heads/options.ts";
import { guardOptions } from "../src/train/methods/guard/options.ts";
import { methods } from "../src/train/methods/registry.ts";
import { trainOptions } from "../src/train/options.ts";
import { screenFields } from "../src/train/sweep/screen-options.ts";
import { markdownTable, root, writeSection } from "./section.ts";

/** The fields of an option's JSON schema that its row shows. */
interface Option {
  type?: string;
  properties?: Readonly<Record<string, Option>>;
  enum?: readonly string[];
  const?: string;
  anyOf?: readonly Option[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  description?: string;
}

/** The options on a page: of a saving, a training method or a training run. */
export function optionsTable({ options }: { readonly options: z.ZodType }): string {
  const { properties = {} } = z.toJSONSchema(options, { io: "input" });
  return markdownTable(["option", "value", "default", "meaning"], rowsOf(properties as Record<string, Option>, ""));
}

/** An option with its own options becomes one row for each of these. */
const rowsOf = (properties: Readonly<Record<string, Option>>, prefix: string): string[][] =>
  Object.entries(properties).flatMap(([name, option]) =>
    option.properties
      ? rowsOf(option.properties, `${prefix}${name}.`)
      : [[`\`${prefix}${name}\``, kind(option), shown(option.default), option.description ?? ""]],
  );

const shown = (value: unknown): string =>
  value === undefined || (Array.isArray(value) && value.length === 0) ? "" : `\`${value}\``;

function kind({ type, enum: choices, const: word, anyOf, minimum, maximum }: Option): string {
  if (anyOf && !type) return anyOf.map(kind).join(", ");
  if (word !== undefined) return word;
  if (choices) return choices.join(", ");
  const name = type === "integer" ? "whole number" : type === "boolean" ? "true, false" : (type ?? "");
  // Zod gives integers the greatest safe integer as their maximum, which does not help a reader.
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum === undefined) return name;
  return bounded ? `${name}, ${minimum} to ${maximum}` : `${name}, at least ${minimum}`;
}

/** Changed defaults in the changelog's format. */
export const changesTable = (): string =>
  markdownTable(
    ["version", "option", "before", "now", "reason"],
    defaultChanges.map(({ version, saving, option, before, now, reason }) => [
      version,
      ...[`${saving}:${option}`, before, now].map((text) => `\`${text}\``),
      reason,
    ]),
  );

/** A saving's page. */
export const pageOf = ({ name }: Pick<Saving, "name">): string => `docs/savings/${name}.md`;

/** A training method's page. */
export const methodPage = ({ name }: { readonly name: string }): string => `docs/methods/${name}.md`;

/** The page of masks of frozen tensors, with the options of the verb `train guard`. */
export const GUARD_PAGE = "docs/methods/guard.md";

/** Methods with a page of options. */
export const describedMethods = methods.filter(
  (method) => methodPage(method) !== GUARD_PAGE && existsSync(join(root, methodPage(method))),
);

/** A pipeline's page. */
export const pipelinePage = ({ name }: Pick<Pipeline, "name">): string => pageOfKind("pipeline", name);

/** Pipelines whose pages have a table of options. */
export const describedPipelines = pipelines.filter(({ name }) => name !== "route");

/** The page on training. */
export const TRAIN_PAGE = "docs/train.md";

/** The page on training exits. */
export const TRAIN_EXITS_PAGE = "docs/train-exits.md";

/** The list of changes between versions. */
export const CHANGELOG = "CHANGELOG.md";

/** The page on sweeps. */
export const SWEEPS_PAGE = "docs/sweeps.md";

if (process.argv[1] === import.meta.filename) {
  writeSection(CHANGELOG, "options", changesTable());
  for (const saving of savings) writeSection(pageOf(saving), "options", optionsTable(saving));
  for (const method of describedMethods) writeSection(methodPage(method), "options", optionsTable(method));
  for (const pipeline of describedPipelines)
    writeSection(pipelinePage(pipeline), "options", optionsTable({ options: await pipeline.options() }));
  writeSection(TRAIN_PAGE, "options", optionsTable({ options: trainOptions }));
  writeSection(TRAIN_EXITS_PAGE, "options", optionsTable({ options: exitTrainOptions }));
  writeSection(GUARD_PAGE, "options", optionsTable({ options: guardOptions }));
  writeSection(SWEEPS_PAGE, "options", optionsTable({ options: screenFields }));
}
