import type { Schema } from "./keywords.ts";

type Resolve = (schema: Schema) => Schema;

/** Whether it is plain to see that no value meets two of the schemas: by their types, or by a property that each requires with values of its own. */
export function disjoint(parts: readonly Schema[], resolve: Resolve): boolean {
  const all = parts.map(resolve);
  return all.every((a, i) => all.slice(i + 1).every((b) => apart(a, b, resolve)));
}

function apart(a: Schema, b: Schema, resolve: Resolve): boolean {
  if (a === false || b === false) return true;
  if (typeof a === "boolean" || typeof b === "boolean") return false;
  const [own, other] = [kindsOf(a), kindsOf(b)];
  if (own && other && !own.some((kind) => other.includes(kind))) return true;
  const [values, others] = [valuesOf(a), valuesOf(b)];
  if (values && others) return !values.some((value) => others.includes(value));
  return tags(a).some((name) => {
    const [x, y] = [a, b].map((schema) => resolve((schema["properties"] as Record<string, Schema>)?.[name] ?? true));
    return tags(b).includes(name) && apart(x!, y!, resolve);
  });
}

type Words = Exclude<Schema, boolean>;

/** Types; integers are numbers. */
function kindsOf({ type, ...rest }: Words): string[] | undefined {
  const named = typeof type === "string" ? [type] : Array.isArray(type) ? type.map(String) : undefined;
  if (named) return named.map((name) => (name === "integer" ? "number" : name));
  const values = "const" in rest ? [rest["const"]] : rest["enum"];
  return Array.isArray(values)
    ? values.map((value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value))
    : undefined;
}

function valuesOf(schema: Words): string[] | undefined {
  const values = "const" in schema ? [schema["const"]] : schema["enum"];
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)) : undefined;
}

const tags = ({ required }: Words): string[] => (Array.isArray(required) ? required.map(String) : []);
