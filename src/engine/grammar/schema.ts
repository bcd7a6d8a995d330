import { checked, jsonOf } from "../../util/checked.ts";
import { UserError } from "../../util/errors.ts";
import { arrayNode } from "./array.ts";
import { disjoint } from "./disjoint.ts";
import type { Node, Ref } from "./forest.ts";
import type { Json } from "./json.ts";
import { type Keyword, type Keywords, keywords, refuseUnknown, type Schema, type Type } from "./keywords.ts";
import { numberNode } from "./number.ts";
import { objectNode } from "./object.ts";
import { stringNode } from "./string.ts";

const MOST_SCHEMAS = 5000;
/** Of schemas within schemas, and of references that lead to each other. */
const MOST_DEPTH = 100;

const TYPE_OF: Partial<Record<Keyword, Type>> = {
  ...{ properties: "object", required: "object", additionalProperties: "object", propertyNames: "object" },
  ...{ minProperties: "object", maxProperties: "object", prefixItems: "array", items: "array" },
  ...{ minItems: "array", maxItems: "array", minLength: "string", maxLength: "string" },
  ...{ pattern: "string", format: "string", minimum: "number", maximum: "number" },
  ...{ exclusiveMinimum: "number", exclusiveMaximum: "number" },
};
const ALL_TYPES: readonly Type[] = ["object", "array", "string", "number", "boolean", "null"];

/** Reads one schema, with what its references point to. */
export class SchemaReader {
  readonly #refs = new Map<string, Ref>();
  #count = 0;
  #depth = 0;

  constructor(
    readonly json: Json,
    private readonly whole: Schema,
  ) {}

  /** The values of a schema, as JSON; `place` is where it stands. @throws UserError that names the place and what cannot be met or enforced */
  node(schema: Schema, place: string): Node {
    if (++this.#count > MOST_SCHEMAS) throw new UserError(`the schema has more than ${MOST_SCHEMAS} schemas in it`);
    if (schema === true) return this.json.value;
    if (schema === false) return this.json.forest.none;
    return this.#at(place, () => {
      if (++this.#depth > MOST_DEPTH) throw new UserError(`the schema is nested more than ${MOST_DEPTH} deep`);
      refuseUnknown(schema);
      const node = this.#read(checked(keywords, schema), schema, place);
      this.#depth--;
      return node;
    });
  }

  #at<T>(place: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UserError) || error.message.startsWith("the schema")) throw error;
      throw new UserError(`the schema at ${place}: ${error.message}`);
    }
  }

  #read(words: Keywords, schema: object, place: string): Node {
    if (words.$ref !== undefined) return this.#alone(words, "$ref", () => this.#reference(words.$ref!));
    if ("const" in schema) return this.#literals(words, [words.const]);
    if (words.enum) return this.#literals(words, words.enum);
    for (const keyword of ["anyOf", "oneOf", "allOf"] as const) {
      const parts = words[keyword];
      if (parts) return this.#alone(words, keyword, () => this.#combined(keyword, parts, place));
    }
    return this.json.forest.alt(typesOf(words).map((type) => this.#ofType(type, words, place)));
  }

  /** A keyword beside which no other is enforced. */
  #alone(words: Keywords, keyword: Keyword, node: () => Node): Node {
    const others = Object.keys(words).filter((name) => name !== keyword && name !== "type");
    if (others.length > 0) throw new UserError(`"${others[0]}" beside "${keyword}" cannot be enforced`);
    return node();
  }

  #literals({ type, enum: _, const: __, ...others }: Keywords, values: readonly unknown[]): Node {
    const beside = Object.keys(others).find((name) => TYPE_OF[name as Keyword] !== undefined || name.endsWith("Of"));
    if (beside) throw new UserError(`"${beside}" beside "enum" or "const" cannot be enforced`);
    const meant = values.filter((value) => !type || type.some((name) => isOf(value, name)));
    return literals(this.json, meant);
  }

  #combined(keyword: "anyOf" | "oneOf" | "allOf", parts: readonly Schema[], place: string): Node {
    if (keyword === "allOf" && parts.length > 1) throw new UserError(`"allOf" of several schemas cannot be enforced`);
    if (keyword === "oneOf" && !disjoint(parts, (schema) => this.#resolved(schema)))
      throw new UserError(`"oneOf" cannot be enforced where a value may meet two of its schemas; write "anyOf"`);
    return this.json.forest.alt(parts.map((part, i) => this.node(part, `${place}/${keyword}/${i}`)));
  }

  #ofType(type: Type, words: Keywords, place: string): Node {
    const { forest } = this.json;
    switch (type) {
      case "null":
        return forest.text("null");
      case "boolean":
        return forest.alt([forest.text("true"), forest.text("false")]);
      case "integer":
      case "number":
        return this.#number(words, type === "integer");
      case "string":
        return stringNode(this.json, words);
      case "array":
        return arrayNode(this, words, place);
      case "object":
        return objectNode(this, words, place);
    }
  }

  #number({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Keywords, whole: boolean): Node {
    const all = [minimum, maximum, exclusiveMinimum, exclusiveMaximum];
    if (!whole && all.every((bound) => bound === undefined)) return this.json.number();
    const low = tighter(Math.max, minimum ?? Number.NEGATIVE_INFINITY, exclusiveMinimum ?? Number.NEGATIVE_INFINITY);
    const high = tighter(Math.min, maximum ?? Number.POSITIVE_INFINITY, exclusiveMaximum ?? Number.POSITIVE_INFINITY);
    return numberNode(this.json.forest, { low, high, whole });
  }

  #reference(pointer: string): Node {
    const known = this.#refs.get(pointer);
    if (known) return known;
    const ref = this.json.forest.ref();
    this.#refs.set(pointer, ref);
    ref.body = this.node(this.#target(pointer), pointer);
    return ref;
  }

  #resolved(schema: Schema): Schema {
    const pointer = typeof schema === "object" ? schema["$ref"] : undefined;
    return typeof pointer === "string" ? this.#target(pointer) : schema;
  }

  #target(pointer: string): Schema {
    if (!/^#(\/|$)/.test(pointer))
      throw new UserError(`"$ref" points to ${jsonOf(pointer)}, expected a place within the schema`);
    const keys = pointer
      .split("/")
      .slice(1)
      .map((key) => unescaped(key));
    const found = keys.reduce<unknown>(
      (inner, key) =>
        typeof inner === "object" && inner !== null && Object.hasOwn(inner, key)
          ? (inner as Record<string, unknown>)[key]
          : undefined,
      this.whole,
    );
    if (typeof found === "boolean") return found;
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Schema;
    throw new UserError(`"$ref" points to ${jsonOf(pointer)}, where there is no schema`);
  }
}

function unescaped(key: string): string {
  const plain = key.replaceAll("~1", "/").replaceAll("~0", "~");
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

function tighter(of: typeof Math.max, closed: number, open: number) {
  const at = of(closed, open);
  return { at, open: at === open && Number.isFinite(at) };
}

/** The types of a schema's values: those that it names, or those of its keywords; without any, all. */
function typesOf(words: Keywords): readonly Type[] {
  const { type } = words;
  if (type) return type.includes("number") ? type.filter((name) => name !== "integer") : type;
  const implied = Object.keys(words).flatMap((name) => TYPE_OF[name as Keyword] ?? []);
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

/** Some values, as a tree of their texts. @throws UserError when there is none */
function literals(json: Json, values: readonly unknown[]): Node {
  if (values.length === 0) throw new UserError(`no value of "enum" or "const" is of its "type"`);
  return json.forest.alt(values.map((value) => json.literal(value)));
}
