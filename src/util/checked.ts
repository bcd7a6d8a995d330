import { z } from "zod";
import { suggest, UserError } from "./errors.ts";

/** The first check that failed, and the reason: `expected number, got "much"`. */
export interface Fault {
  readonly path: readonly string[];
  readonly reason: string;
}

/** The first fault of `value`, as the end of a sentence; `schema` supplies the names to suggest for a misspelt one. */
export function faultOf(error: z.ZodError, value: unknown, schema?: z.ZodType): Fault {
  const issue = inAlternative(error.issues[0]!);
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys as [string];
    return { path, reason: `there is no ${JSON.stringify(key)}${suggest(key, schema ? keysAt(schema, path) : [])}` };
  }
  if (issue.code === "invalid_key")
    return { path: path.slice(0, -1), reason: `${expectedBy(issue.issues[0]!)}, got ${shown(path.at(-1))}` };
  const actual = valueAt(value, issue.path);
  if (issue.code === "invalid_value" && issue.values.length > 1 && issue.message.startsWith("Invalid option: "))
    return { path, reason: choiceFault(issue.values, actual) };
  return { path, reason: beyond(issue, actual) ?? withValue(expectedBy(issue), actual) };
}

/** `expected "a", "b" or "c", got "x"`. */
function choiceFault(values: readonly z.core.util.Primitive[], actual: unknown): string {
  const all = values.map(shown);
  return `expected ${all.slice(0, -1).join(", ")} or ${all.at(-1)}, got ${shown(actual)}`;
}

type JsonSchema = z.core.JSONSchema._JSONSchema;

/** The names of an object's fields inside a schema. */
function keysAt(schema: z.ZodType, path: readonly string[]): string[] {
  const propertiesOf = (at: JsonSchema) => (typeof at === "object" ? at.properties : undefined) ?? {};
  const whole: JsonSchema = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  const inner = path.reduce<JsonSchema>((at, key) => propertiesOf(at)[key] ?? {}, whole);
  return Object.keys(propertiesOf(inner));
}

/** `must be at most 9 (got 10)`, for a size check without its own message. */
function beyond(issue: z.core.$ZodIssue, actual: unknown): string | undefined {
  if (!/^Too (small|big): /.test(issue.message)) return undefined;
  if (issue.code === "too_big")
    return relation(issue.inclusive === false ? "less than" : "at most", issue.maximum, actual, issue.origin);
  if (issue.code === "too_small")
    return relation(issue.inclusive === false ? "more than" : "at least", issue.minimum, actual, issue.origin);
  return undefined;
}

/** `origin` is the type that was checked; `actual` may be a number written as text. */
function relation(words: string, limit: number | bigint, actual: unknown, origin: string): string {
  if (typeof actual === "string" && origin === "string") return sized(actual.length, "characters", words, limit);
  if (Array.isArray(actual)) return sized(actual.length, "values", words, limit);
  return `must be ${words} ${limit} (got ${shown(actual)})`;
}

function sized(length: number, units: string, words: string, limit: number | bigint): string {
  if (words === "at most") return `has ${length} ${units}; the limit is ${limit}`;
  return Number(limit) === 1 ? "must not be empty" : `must have ${words} ${limit} ${units} (got ${length})`;
}

/** zod's message for a union, which does not name its alternatives. */
const NONE_FITS = "Invalid input";

/** The message of a union; undefined if one of its alternatives matches at the top level and fails deeper inside. */
export const unlessInside = (expected: string) => ({
  error: ({ errors }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>) => (innerFault(errors) ? undefined : expected),
});

/** The fault inside the alternative that matches at the top level, if the union has no message of its own. */
function inAlternative(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union" || issue.message !== NONE_FITS) return issue;
  const inner = innerFault(issue.errors);
  return inner ? inAlternative({ ...inner, path: [...issue.path, ...inner.path] }) : issue;
}

const innerFault = (alternatives: readonly z.core.$ZodIssue[][] = []): z.core.$ZodIssue | undefined =>
  alternatives.flatMap(([first]) => first ?? []).find(({ path }) => path.length > 0);

const expectedBy = ({ message }: z.core.$ZodIssue): string =>
  message === NONE_FITS
    ? "expected another value"
    : message.replace(/^(Invalid (input|option|key)|Too (small|big)): /, "").replace(/, received .*$/, "");

/** A schema's own message may already show the value. */
const withValue = (expected: string, actual: unknown): string =>
  expected.includes(", got ") ? expected : `${expected}, got ${shown(actual)}`;

/** Parses `value` with `schema`. @throws UserError that names the field, the expected and the actual value */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, reason } = faultOf(result.error, value, schema);
  throw new UserError(path.length === 0 ? reason : `"${path.join(".")}": ${reason}`);
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);

/** The length up to which values are shown; longer ones are described by their type. */
const MOST_SHOWN = 60;

/** A value for an error message: short JSON, or its type. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  const text = jsonOf(value);
  if (text !== undefined && text.length <= MOST_SHOWN) return text;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "string" ? `a text of ${value.length} characters` : `a value of type ${typeof value}`;
}

/** A value as JSON; undefined if JSON cannot express it. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
