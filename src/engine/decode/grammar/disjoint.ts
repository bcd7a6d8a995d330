import type { Schema } from "./keywords.ts";
import { typesOf } from "./types.ts";

type Resolve = (schema: Schema) => Schema;

/**
 * True if no value can match two of the schemas, judged by their types or by a property that each requires with
 * different values.
 */
export function disjoint(parts: readonly Schema[], resolve: Resolve): boolean {
  const all = parts.map(resolve);
  return all.every((a, i) => all.slice(i + 1).every((b) => apart(a, b, resolve)));
}

function apart(a: Schema, b: Schema, resolve: Resolve): boolean {
  if (a === false || b === false) return true;
  if (typeof a === "boolean" || typeof b === "boolean") return false;
  const others = kindsOf(b);
  const common = kindsOf(a).filter((kind) => others.includes(kind));
  if (common.length === 0) return true;
  const [values, otherValues] = [scalarsOf(a), scalarsOf(b)];
  if (values && otherValues) return !values.some((value) => otherValues.includes(value));
  return common.join() === "object" && tagged(a, b, resolve);
}

/** True if a property that both schemas require distinguishes them. */
function tagged(a: Words, b: Words, resolve: Resolve): boolean {
  const both = required(a).filter((name) => required(b).includes(name));
  return both.some((name) => {
    const [x, y] = [a, b].map((schema) => resolve((schema["properties"] as Record<string, Schema>)?.[name] ?? true));
    return apart(x!, y!, resolve);
  });
}

type Words = Exclude<Schema, boolean>;

const listed = (schema: Words): unknown => ("const" in schema ? [schema["const"]] : schema["enum"]);

/** The schema's types; integers count as numbers. */
function kindsOf(schema: Words): string[] {
  const { type } = schema;
  const values = listed(schema);
  if (type === undefined && Array.isArray(values)) return values.map(kindOf);
  const own = type === undefined ? typesOf(schema) : [type].flat().map(String);
  return own.map((name) => (name === "integer" ? "number" : name));
}

const kindOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);

/** Values that are equal only if written the same way; undefined if the schema allows other values. */
function scalarsOf(schema: Words): string[] | undefined {
  const values = listed(schema);
  const all = Array.isArray(values) && values.every((value) => typeof value !== "object" || value === null);
  return all ? values.map((value) => JSON.stringify(value)) : undefined;
}

const required = ({ required: names }: Words): string[] => (Array.isArray(names) ? names.map(String) : []);
