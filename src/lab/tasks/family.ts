import { z } from "zod";
import { nearest, suggest, UserError } from "../../util/errors.ts";
import type { Task } from "../task.ts";

/** Tasks with options, such as a length or a file: their description, and a function that makes a task. */
export type Family = Omit<Task, "items" | "kind"> & {
  readonly kind: Task["kind"] | "that of TASK";
  /** The options as a user writes them: `FILE,tokens=1024`. */
  readonly usage: string;
  /** @param text the part after the name and a colon; empty if absent. @throws UserError */
  make(text: string): Task | Promise<Task>;
};

/** A line of the registry: a task or a family. */
export type Entry = Task | Family;

/**
 * Parses `key=value,key=value` by a schema; pieces of any other form, with their commas, are the value of the
 * option `main`, as in `a.txt,tokens=512`.
 * @throws UserError that names the task, the option, and the expected value
 */
export function readOptions<S extends z.ZodObject>(task: string, schema: S, text: string, main?: string): z.output<S> {
  const keys = Object.keys(schema.shape);
  const values: Record<string, string> = {};
  let last: string | undefined;
  for (const piece of text === "" ? [] : text.split(",")) {
    const [key, value] = keyValue(piece, keys, last ?? main);
    if (key === undefined) throw new UserError(`${task}: expected key=value, got "${piece}"`, 2);
    if (last === key && value === piece) values[key] += `,${piece}`;
    else if (key in values) throw new UserError(`${task}: ${key} is set twice`, 2);
    else values[key] = value;
    last = key === main ? key : undefined;
  }
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  throw new UserError(`${task}: ${explain(result.error.issues[0]!, keys)}`, 2);
}

/**
 * A piece's option and its value. A piece that does not begin with an option's name, right or misspelt, belongs to
 * `main`, after a comma if `main` has begun.
 */
function keyValue(piece: string, keys: readonly string[], main: string | undefined): [string | undefined, string] {
  const [, key, value] = /^([a-z][a-z-]*)=(.*)$/s.exec(piece) ?? [];
  return key !== undefined && (main === undefined || nearest(key, keys) !== undefined) ? [key, value!] : [main, piece];
}

function explain(issue: z.core.$ZodIssue, keys: readonly string[]): string {
  if (issue.code !== "unrecognized_keys")
    return [issue.path.join("."), issue.message].filter((s) => s !== "").join(": ");
  return `there is no option "${issue.keys[0]}"${suggest(issue.keys[0]!, keys) || `; the options are ${keys.join(", ")}`}`;
}

/** A whole number in an option's text. */
export const count = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d+$/, `expected a whole number from ${least} to ${most}`)
    .transform(Number)
    .refine((n) => n >= least && n <= most, `expected a whole number from ${least} to ${most}`);
