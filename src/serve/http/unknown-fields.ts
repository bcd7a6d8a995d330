import { z } from "zod";
import { isObject } from "../../weights/json.ts";
import { HttpError } from "./errors.ts";
import { slipOf } from "./slips.ts";
import { unsupported } from "./unsupported.ts";

type Schema = z.core.JSONSchema.BaseSchema;

/** A field that a schema does not name. */
interface Unknown {
  readonly path: readonly (string | number)[];
  readonly value: unknown;
  /** The names that the schema allows at this path. */
  readonly known: ReadonlySet<string>;
}

/** Maximum unknown fields to compare with known fields; further fields do not count as typos. */
const MOST_COMPARED = 100;

/**
 * The fields of a request that are ignored here, such as `messages[].name`; `passed`: fields forwarded to other
 * servers.
 * @throws HttpError for a field that would change the answer, or for a misspelt field
 */
export function ignoredFields(schema: z.ZodType, request: unknown, passed: readonly string[] = []): string[] {
  const ignored = new Set<string>();
  let compared = 0;
  for (const unknown of unknownIn([jsonSchemaOf(schema)], request, [])) {
    const name = nameOf(unknown.path);
    if (passed.includes(name)) continue;
    refuseUnsupported(name, unknown);
    if (compared++ < MOST_COMPARED) refuseSlip(unknown);
    ignored.add(name);
  }
  return [...ignored];
}

const schemas = new WeakMap<z.ZodType, Schema>();

function jsonSchemaOf(schema: z.ZodType): Schema {
  const known = schemas.get(schema) ?? z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  schemas.set(schema, known);
  return known;
}

/** True if a request may have a field of this name. */
export const takesField = (schema: z.ZodType, name: string): boolean =>
  choicesOf(jsonSchemaOf(schema)).some(({ properties = {} }) => Object.hasOwn(properties, name));

/** Yields the unknown fields, except nulls, which have no effect. */
function* unknownIn(schemas: readonly Schema[], value: unknown, path: Unknown["path"]): Generator<Unknown> {
  const choices = schemas.flatMap(choicesOf);
  if (Array.isArray(value)) {
    const items = choices.flatMap(({ items }) => (items ? [items as Schema] : []));
    for (const [i, item] of value.entries())
      if (typeof item === "object" && items.length > 0) yield* unknownIn(items, item, [...path, i]);
  } else if (isObject(value) && choices.some(({ properties }) => properties) && !choices.some(isOpen)) {
    const known = new Set(choices.flatMap(({ properties = {} }) => Object.keys(properties)));
    for (const [key, inner] of Object.entries(value)) {
      const at = [...path, key];
      if (!known.has(key)) yield* inner === null ? [] : [{ path: at, value: inner, known }];
      else if (typeof inner === "object") yield* unknownIn(choices.flatMap(propertyOf(key)), inner, at);
    }
  }
}

const choicesOf = (schema: Schema): Schema[] => {
  const { anyOf, oneOf, allOf } = schema;
  const choices = (anyOf ?? oneOf ?? allOf) as Schema[] | undefined;
  return choices ? choices.flatMap(choicesOf) : [schema];
};

/** True if an object may have any fields. */
const isOpen = ({ type, additionalProperties }: Schema): boolean =>
  type === undefined || (additionalProperties !== undefined && additionalProperties !== false);

const propertyOf =
  (key: string) =>
  ({ properties = {} }: Schema): Schema[] =>
    Object.hasOwn(properties, key) ? [properties[key] as Schema] : [];

const nameOf = (path: Unknown["path"]): string =>
  path.reduce<string>(
    (name, key) => (typeof key === "number" ? `${name}[]` : name === "" ? key : `${name}.${key}`),
    "",
  );

function refuseUnsupported(name: string, { path, value }: Unknown): void {
  const found = unsupported.get(name);
  if (!found || found.neutral(value)) return;
  const way = found.instead ? `use ${found.instead}` : "omit it";
  throw refused(path, `not supported, and ignoring it would change the answer; ${way}`);
}

function refuseSlip({ path, known }: Unknown): void {
  const intended = slipOf(String(path.at(-1)), known);
  if (intended !== undefined) throw refused(path, `there is no such field; did you mean "${intended}"?`);
}

function refused(path: Unknown["path"], sentence: string): HttpError {
  const param = path.join(".");
  return new HttpError(400, `${param}: ${sentence}`, { param });
}

/** Maximum names in the header, and maximum characters of each. */
const [MOST_LISTED, LONGEST] = [20, 64];

/** Reports to a client which of its fields were ignored. */
export function ignoredHeader(ignored: readonly string[]): Record<string, string> {
  if (ignored.length === 0) return {};
  const names = ignored.slice(0, MOST_LISTED).map(encoded);
  const more = ignored.length - names.length;
  return { "x-ignored-fields": [...names, ...(more > 0 ? [`and ${more} more`] : [])].join(", ") };
}

/** Headers are ASCII; half a surrogate pair cannot be encoded. */
const encoded = (name: string): string =>
  encodeURIComponent(Buffer.from(name.slice(0, LONGEST)).toString()).replaceAll("%5B%5D", "[]");
