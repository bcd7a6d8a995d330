import type { z } from "zod";
import { UserError } from "./errors.ts";

/** The first check that failed, and the reason: `expected number, got "much"`. */
export interface Fault {
  readonly path: readonly string[];
  readonly reason: string;
}

/** The first fault of `value`, as a sentence's end. */
export function faultOf(error: z.ZodError, value: unknown): Fault {
  const issue = inAlternative(error.issues[0]!);
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") return { path, reason: `there is no ${JSON.stringify(issue.keys[0])}` };
  if (issue.code === "invalid_key")
    return { path: path.slice(0, -1), reason: `${expectedBy(issue.issues[0]!)}, got ${shown(path.at(-1))}` };
  return { path, reason: `${expectedBy(issue)}, got ${shown(valueAt(value, issue.path))}` };
}

/** zod's message for a union, which does not name its alternatives. */
const NONE_FITS = "Invalid input";

/** What a union expects, to be said unless one of its alternatives has its fault further inside. */
export const unlessInside = (expected: string) => ({
  error: ({ errors }: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidUnion>) => (innerFault(errors) ? undefined : expected),
});

/** The fault inside the alternative that a value fits from outside, if the union says nothing itself. */
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

/** `value` as `schema` reads it. @throws UserError that names the field, what was expected and what was got */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, reason } = faultOf(result.error, value);
  throw new UserError(path.length === 0 ? reason : `"${path.join(".")}": ${reason}`);
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);

/** Longer values are told by their kind. */
const MOST_SHOWN = 60;

/** A value as a sentence shows it: short JSON, or what kind of thing it is. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  const text = jsonOf(value);
  if (text !== undefined && text.length <= MOST_SHOWN) return text;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "string" ? `a text of ${value.length} characters` : `a value of type ${typeof value}`;
}

/** A value as JSON; nothing where JSON has no form for it. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
