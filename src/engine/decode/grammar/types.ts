import { type Keyword, type Keywords, type Schema, TYPES, type Type } from "./keywords.ts";

const TYPE_OF: Partial<Record<Keyword, Type>> = {
  ...{ properties: "object", required: "object", additionalProperties: "object", propertyNames: "object" },
  ...{
    minProperties: "object",
    maxProperties: "object",
    prefixItems: "array",
    items: "array",
    additionalItems: "array",
  },
  ...{ minItems: "array", maxItems: "array", minLength: "string", maxLength: "string" },
  ...{ pattern: "string", format: "string", minimum: "number", maximum: "number" },
  ...{ exclusiveMinimum: "number", exclusiveMaximum: "number", multipleOf: "number" },
  ...{ unevaluatedProperties: "object", unevaluatedItems: "array" },
};
const ALL_TYPES: readonly Type[] = ["object", "array", "string", "number", "boolean", "null"];

/** The type of values that a keyword constrains; undefined if it constrains all types. */
export const typeOf = (keyword: string): Type | undefined => TYPE_OF[keyword as Keyword];

/** The types of a schema's values: named, or implied by keywords; otherwise all. */
export function typesOf(words: { readonly type?: readonly Type[] | undefined }): readonly Type[] {
  const { type } = words;
  if (type) return type.includes("number") ? type.filter((name) => name !== "integer") : type;
  const implied = Object.keys(words).flatMap((name) => typeOf(name) ?? []);
  return implied.length > 0 ? [...new Set(implied)] : ALL_TYPES;
}

export function isOf(value: unknown, type: Type): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
  }
}

/** Keywords beside a reference or alternatives, which apply to each alternative. */
export type Beside = Pick<Keywords, "type" | "unevaluatedProperties" | "unevaluatedItems">;

/** `schema` merged with the keywords beside its `$ref`. */
export function narrowed(schema: Schema, { type, ...others }: Beside): Schema {
  const words = schema === true ? {} : schema;
  if (words === false) return false;
  if (!type) return { ...others, ...words };
  const own = words["type"];
  if (own === undefined) return { ...others, ...words, type };
  const both = [own].flat().flatMap((name) => shared(name, type));
  return both.length > 0 && { ...others, ...words, type: both };
}

/** Unknown types are retained; they are rejected when the schema is read. */
function shared(name: unknown, types: readonly Type[]): unknown[] {
  if (name === "number" && !types.includes("number") && types.includes("integer")) return ["integer"];
  const within = !TYPES.includes(name as Type) || types.includes(name as Type);
  return within || (name === "integer" && types.includes("number")) ? [name] : [];
}
