import type { z } from "zod";
import type { CatalogueEntry } from "../library/catalogue.ts";
import { bundledPresets } from "../savings/presets.ts";
import { savings } from "../savings/registry.ts";
import { methods } from "../train/methods/registry.ts";

/** The terminal's width in columns. */
const WIDTH = 80;
/** A typical number of layers, for which help shows the settings that `lab tune` tries. */
const LAYERS = 32;

const KINDS = { saving: "Savings", pipeline: "Pipelines", method: "Methods" } as const;

/** One line for each saving, pipeline and method, by kind. */
export function listLines(all: readonly CatalogueEntry[]): string[] {
  const width = Math.max(...all.map(({ name }) => name.length));
  const line = ({ name, summary }: CatalogueEntry) => `  ${name.padEnd(width)}  ${summary}`;
  const lines = Object.entries(KINDS).flatMap(([kind, title]) => [
    `${title}:`,
    ...all.filter((listed) => listed.kind === kind).map(line),
    "",
  ]);
  return [...lines, "Options, presets and needs of one: modicum savings NAME"];
}

/** Everything about one saving, pipeline or method. */
export function detailLines(listed: CatalogueEntry): string[] {
  const { kind, name, group, summary, needs, options } = listed;
  const saving = kind === "saving" ? savings.find((one) => one.name === name) : undefined;
  const facts = {
    kind: saving ? `${group} saving` : kind,
    call: kind === "method" ? `modicum train --method ${name}` : "",
    needs: needs.length === 0 ? "" : `a model with these seams: ${needs.join(", ")}`,
    presets: presetsOf(listed),
    "without a preset": saving?.withoutPreset ?? "",
    "lab tune tries": saving?.settings?.(LAYERS).join(" ") ?? "",
    page: pageOf(kind, name),
  };
  return [
    ...wrapped(`${name}: ${summary}`, ""),
    "",
    ...factLines(facts),
    "",
    ...optionLines(options.properties as Readonly<Record<string, z.core.JSONSchema.BaseSchema>> | undefined),
  ];
}

function factLines(facts: Readonly<Record<string, string>>): string[] {
  const width = Math.max(...Object.keys(facts).map((label) => label.length)) + 2;
  return Object.entries(facts).flatMap(([label, value]) => {
    const lines = wrapped(value, " ".repeat(width));
    return lines.map((line, i) => (i === 0 ? label.padEnd(width) + line.slice(width) : line));
  });
}

function optionLines(properties: Readonly<Record<string, z.core.JSONSchema.BaseSchema>> = {}): string[] {
  const options = Object.entries(properties);
  if (options.length === 0) return ["It has no options."];
  const lines = options.flatMap(([name, schema]) => [
    ...wrapped(heading(name, schema), "      ").map((line, i) => (i === 0 ? line.slice(4) : line)),
    ...wrapped(schema.description ?? "", "      "),
  ]);
  return ["Options:", ...lines];
}

/** `stride=8 (integer)` */
function heading(name: string, { default: usual, enum: choices, type }: z.core.JSONSchema.BaseSchema): string {
  const value = typeof usual === "object" ? JSON.stringify(usual) : usual;
  return `${usual === undefined ? name : `${name}=${value}`} (${choices?.join(", ") ?? type ?? "several types"})`;
}

/** The presets that a saving's bare name selects, by model, or the training settings that a method selects. */
function presetsOf({ kind, name }: CatalogueEntry): string {
  if (kind === "saving")
    return bundledPresets(name)
      .map(({ model, recipe }) => `${model.name}: ${recipe}`)
      .join("; ");
  const method = kind === "method" ? methods.find((one) => one.name === name) : undefined;
  const options = method ? method.options.safeParse({}) : undefined;
  const chosen = method && options?.success ? method.presets?.(options.data) : undefined;
  return Object.entries(chosen ?? {})
    .map(([key, value]) => `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

/** Pages named differently from their subject. */
const pages: Readonly<Record<string, string>> = {
  "pipelines/plan": "pipelines/planner",
  "pipelines/recognize": "pipelines/regionspot",
  "methods/bridge": "pipelines/regionspot",
  "methods/localiser": "pipelines/regionspot",
  "methods/pairs": "train",
  "methods/exit-heads": "train-exits",
  "methods/noise": "imagine",
};

/** The page about a saving, a pipeline or a method. */
export function pageOf(kind: CatalogueEntry["kind"], name: string): string {
  const page = `${kind}s/${name}`;
  return `docs/${pages[page] ?? page}.md`;
}

/** Wraps a text to the terminal's width. */
function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ").filter(Boolean)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(indent + word);
  }
  return lines;
}
