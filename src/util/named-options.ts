import { z } from "zod";
import { faultOf } from "./checked.ts";
import { suggest, UserError } from "./errors.ts";

/** The presentation of an option in help; not part of its JSON schema. */
interface FlagHelp {
  /** True if short help shows this option even when there is no room for all options. */
  readonly common?: true;
  /** The kind of thing that a text value names, as help shows it. */
  readonly value?: "file" | "folder" | "model" | "saving" | "method" | "task";
  /** The heading above this option and the following ones. */
  readonly group?: string;
}

export const flagHelp = z.registry<FlagHelp>();

/** A name with its unchecked options. */
export interface NamedValues {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Reads `name` or `name:key=value,key=value`. `known` checks the name before its options are read. @throws UserError */
export function readNamed(text: string, known: (name: string) => unknown): NamedValues {
  const colon = text.indexOf(":");
  const name = colon < 0 ? text : text.slice(0, colon);
  known(name);
  if (colon < 0) return { name, values: {} };
  const pairs = text
    .slice(colon + 1)
    .split(",")
    .map((pair) => keyValue(name, pair));
  const twice = pairs.find(([key], i) => pairs.findIndex(([other]) => other === key) !== i);
  if (twice) throw new UserError(`${name}: ${twice[0]} is given twice`, 2);
  return { name, values: Object.fromEntries(pairs) };
}

function keyValue(name: string, pair: string): [string, string] {
  const equals = pair.indexOf("=");
  if (equals < 1)
    throw new UserError(`${name}: expected key=value after the colon, got ${pair === "" ? "nothing" : `"${pair}"`}`, 2);
  return [pair.slice(0, equals), pair.slice(equals + 1)];
}

/** Parses the options of `name`. @throws UserError that names the option and the expected value */
export function checkedNamed<S extends z.ZodType>(name: string, options: S, values: unknown): z.output<S> {
  const result = options.safeParse(values);
  if (result.success) return result.data;
  throw new UserError(`${name}: ${explain(result.error, options, values)}`, 2);
}

function explain(error: z.ZodError, options: z.ZodType, values: unknown): string {
  const issue = error.issues[0]!;
  if (issue.code !== "unrecognized_keys") {
    // A message that the option defines itself is a whole sentence.
    const reason = /^(Invalid|Too) /.test(issue.message) ? faultOf(error, values).reason : issue.message;
    return [issue.path.join("."), reason].filter((s) => s !== "").join(": ");
  }
  const key = issue.keys[0]!;
  return `there is no option "${key}"${suggest(key, optionNames(options))}`;
}

/** The JSON types of options by name; undefined for an option that takes several types. */
export function optionTypes(options: z.ZodType): ReadonlyMap<string, string | undefined> {
  const { properties = {} } = z.toJSONSchema(options, { io: "input" }) as {
    properties?: Readonly<Record<string, { type?: string }>>;
  };
  return new Map(Object.entries(properties).map(([name, { type }]) => [name, type]));
}

/** The names of options. */
export const optionNames = (options: z.ZodType): string[] => [...optionTypes(options).keys()];
