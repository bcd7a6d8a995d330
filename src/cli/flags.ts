import { type Command, Option } from "commander";
import { z } from "zod";
import { faultOf } from "../util/checked.ts";
import { UserError } from "../util/errors.ts";
import { flagHelp } from "../util/named-options.ts";
import { flagOf } from "./errors.ts";
import { markCommon, withChoices } from "./help.ts";

type Schema = z.ZodObject;

/** The fields of a property's JSON schema that determine its flag. */
interface Property {
  /** The type; absent for a union. */
  type?: "number" | "integer" | "string" | "boolean" | "array" | "object";
  description?: string;
  default?: unknown;
  enum?: readonly string[];
  items?: { enum?: readonly string[] };
  anyOf?: readonly { const?: string }[];
}

function properties(schema: Schema): [key: string, property: Property][] {
  const { properties = {} } = z.toJSONSchema(schema, { io: "input" });
  return Object.entries(properties) as [string, Property][];
}

/**
 * Adds a flag for every property of `schema`: arrays are repeatable flags, records are repeatable `key=value`. `group`
 * is their heading in the full help.
 */
export function addFlags(command: Command, schema: Schema, group?: string): Command {
  let heading = group;
  for (const [key, property] of properties(schema)) {
    const { common, value, group: ownGroup } = flagHelp.get(schema.shape[key]!) ?? {};
    heading = ownGroup ?? heading;
    const choices = [...(property.enum ?? property.items?.enum ?? [])];
    const description = withChoices(property.description ?? "", choices);
    const added = option(flagOf(key), { ...property, description }, value ?? "text");
    // Used only for help and completion, since the schema checks values.
    added.argChoices = choices;
    if (common) markCommon(added);
    if (heading !== undefined) added.helpGroup(`${heading}:`);
    command.addOption(added);
  }
  return command;
}

function option(flag: string, { type, description, default: usual, anyOf = [] }: Property, value: string): Option {
  const help = [description, shown(usual)].filter(Boolean).join(" ");
  // A union has no type: its flag is a switch that also takes a word.
  if (type === undefined)
    return new Option(`${flag} [${anyOf.find((one) => one.const !== undefined)?.const ?? value}]`, help);
  switch (type) {
    case "number":
    case "integer":
      return new Option(`${flag} <n>`, help).argParser(numeric);
    case "string":
      return new Option(`${flag} <${value}>`, help);
    case "boolean":
      return new Option(usual === true ? flag.replace("--", "--no-") : flag, usual === true ? `do not ${help}` : help);
    case "array":
      return new Option(`${flag} <${value}>`, `${help}; may be repeated`).argParser(collect);
    case "object":
      return new Option(`${flag} <key=value>`, `${help}; may be repeated`).argParser((text, before) =>
        collectPairs(flag, text, before),
      );
  }
}

/** The text as a number; an invalid text is returned unchanged, for the schema to report. */
const numeric = (text: string): number | string =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);

/** A default as help shows it; only the schema applies it, so that missing flags can be detected. */
const shown = (usual: unknown): string =>
  typeof usual === "number" || typeof usual === "string" ? `(default: ${usual})` : "";

/** An option's parser that collects the values of a repeated flag. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Collects key=value pairs, separate or joined by commas. Values may contain commas, as in `targets=attn_q,attn_v`. */
function collectPairs(flag: string, text: string, before: unknown = {}): Record<string, unknown> {
  const pairs = text.split(/,(?=[^=,]+=)/).map((pair) => {
    const [, key, value] = /^([^=]+)=(.+)$/.exec(pair) ?? [];
    if (key === undefined) throw new UserError(`${flag}: expected key=value, got "${pair}"`, 2);
    return [key, value === "true" || value === "false" ? value === "true" : numeric(value!)] as const;
  });
  return { ...(before as Record<string, unknown>), ...Object.fromEntries(pairs) };
}

/** The checked values of `schema`'s flags among a command's options. @throws UserError that names the flag. */
export function readFlags<S extends Schema>(schema: S, options: Readonly<Record<string, unknown>>): z.output<S> {
  const keys = Object.keys(schema.shape).filter((key) => options[key] !== undefined);
  const result = schema.safeParse(Object.fromEntries(keys.map((key) => [key, options[key]])));
  if (result.success) return result.data;
  const { path, reason } = faultOf(result.error, options, schema);
  const [key, ...inside] = path;
  if (result.error.issues[0]!.code === "invalid_type" && options[key!] === undefined)
    throw new UserError(`${flagOf(key!)} is required`, 2);
  // A repeated flag's value is in the reason, so its index is left out.
  const where = Array.isArray(options[key!]) ? [] : inside;
  throw new UserError(`${[flagOf(key!), ...where].join(" ")}: ${reason}`, 2);
}

/** The checked flags of `schema` that are set, without defaults. @throws UserError that names the flag. */
export function flagsSet<S extends Schema>(schema: S, options: Readonly<Record<string, unknown>>): z.input<S> {
  const read = readFlags(schema, options) as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(read).filter(([key]) => options[key] !== undefined)) as z.input<S>;
}
