import { checked } from "../../../util/checked.ts";
import { UserError } from "../../../util/errors.ts";
import { arrayNode } from "./array.ts";
import { disjoint } from "./disjoint.ts";
import type { Node, Ref } from "./forest.ts";
import { formatPattern } from "./formats.ts";
import type { Json } from "./json.ts";
import { type Keyword, type Keywords, keywords, refuseUnknown, type Schema, type Type } from "./keywords.ts";
import { boundsOf, numberNode } from "./number.ts";
import { objectNode } from "./object.ts";
import { placeOf, schemaAt } from "./pointer.ts";
import { stringNode } from "./string.ts";
import { type Beside, isOf, narrowed, typeOf, typesOf } from "./types.ts";

const MOST_SCHEMAS = 5000;
/** Nesting limit for schemas, and for chains of references. */
const MOST_DEPTH = 100;

/** Reads a schema, and the schemas that it refers to. */
export class SchemaReader {
  readonly #refs = new Map<string, Ref>();
  #count = 0;
  #depth = 0;
  /** The root of references: the innermost schema with an `$id`. */
  #base = "#";

  constructor(
    readonly json: Json,
    private readonly whole: Schema,
  ) {}

  /**
   * The values of a schema, as JSON; `place` is its position.
   * @throws UserError that names the place and the keyword that cannot be satisfied or enforced
   */
  node(schema: Schema, place: string): Node {
    if (++this.#count > MOST_SCHEMAS) throw new UserError(`the schema contains more than ${MOST_SCHEMAS} schemas`);
    if (schema === true) return this.json.value;
    if (schema === false) return this.json.forest.none;
    return at(place, () => {
      if (++this.#depth > MOST_DEPTH) throw new UserError(`the schema is nested more than ${MOST_DEPTH} deep`);
      const outer = this.#base;
      if (typeof schema["$id"] === "string") this.#base = place;
      refuseUnknown(schema);
      const node = this.#read(checked(keywords, schema), schema, place);
      this.#base = outer;
      this.#depth--;
      return node;
    });
  }

  #read(words: Keywords, schema: object, place: string): Node {
    if (words.$ref !== undefined) return this.#reference(words.$ref, besideOnly(words, "$ref"));
    if ("const" in schema || words.enum) return this.#literals(words, "const" in schema);
    for (const keyword of ["anyOf", "oneOf", "allOf"] as const) {
      const parts = words[keyword];
      if (!parts) continue;
      const beside = besideOnly(words, keyword);
      const meant = parts.map((part) => narrowed(part, beside));
      return this.#combined(keyword, meant, `${place}/${keyword}`);
    }
    return this.json.forest.alt(typesOf(words).map((type) => this.#ofType(type, words, place)));
  }

  #literals(words: Keywords, isConst: boolean): Node {
    const { type, enum: listed, const: only } = words;
    const beside = Object.keys(words).find((name) => limits(name, words));
    if (beside) throw new UserError(`"${beside}" with "enum" or "const" cannot be enforced`);
    if (isConst && listed) throw new UserError(`"enum" with "const" cannot be enforced`);
    const meant = (listed ?? [only]).filter((value) => !type || type.some((name) => isOf(value, name)));
    if (meant.length === 0) throw new UserError(`no value of "enum" or "const" matches its "type"`);
    return this.json.forest.alt(meant.map((value) => this.json.literal(value)));
  }

  #combined(keyword: "anyOf" | "oneOf" | "allOf", parts: readonly Schema[], place: string): Node {
    if (keyword === "allOf" && parts.length > 1) throw new UserError(`"allOf" of several schemas cannot be enforced`);
    if (keyword === "oneOf" && !disjoint(parts, (schema) => this.#resolved(schema)))
      throw new UserError(`"oneOf" cannot be enforced if a value may match two of its schemas; use "anyOf"`);
    return this.json.forest.alt(parts.map((part, i) => this.node(part, `${place}/${i}`)));
  }

  #ofType(type: Type, words: Keywords, place: string): Node {
    const { forest } = this.json;
    switch (type) {
      case "null":
        return forest.text("null");
      case "boolean":
        return forest.alt([forest.text("true"), forest.text("false")]);
      case "integer":
      case "number": {
        const bounds = boundsOf(words, type === "integer");
        return bounds ? numberNode(forest, bounds) : this.json.number();
      }
      case "string":
        return stringNode(this.json, words);
      case "array":
        return arrayNode(this, words, place);
      case "object":
        return objectNode(this, words, place);
    }
  }

  #reference(reference: string, beside: Beside): Node {
    const place = placeOf(reference, this.#base);
    const key = `${place} ${JSON.stringify(beside)}`;
    const known = this.#refs.get(key);
    if (known) return known;
    const ref = this.json.forest.ref();
    this.#refs.set(key, ref);
    ref.body = this.node(narrowed(schemaAt(this.whole, place), beside), place);
    return ref;
  }

  /** Follows a reference to its schema; any other schema is returned as is. */
  #resolved(schema: Schema): Schema {
    const reference = typeof schema === "object" ? schema["$ref"] : undefined;
    if (typeof reference !== "string") return schema;
    const target = schemaAt(this.whole, placeOf(reference, this.#base));
    return narrowed(target, checked(keywords.pick({ type: true }), schema));
  }
}

function at<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith("the schema")) throw error;
    throw new UserError(`the schema at ${place}: ${error.message}`);
  }
}

/** The keywords beside `keyword`. @throws UserError for keywords that are not enforced there */
function besideOnly({ type, unevaluatedItems, unevaluatedProperties, ...words }: Keywords, keyword: Keyword): Beside {
  const [other] = Object.keys(words).filter((name) => name !== keyword);
  if (other !== undefined) throw new UserError(`"${other}" with "${keyword}" cannot be enforced`);
  return {
    ...(type && { type }),
    ...(unevaluatedItems !== undefined && { unevaluatedItems }),
    ...(unevaluatedProperties !== undefined && { unevaluatedProperties }),
  };
}

/** True if a keyword beside listed values excludes some of them. An unknown format is an annotation. */
const limits = (name: string, { format = "" }: Keywords): boolean =>
  name === "format" ? formatPattern(format) !== undefined : typeOf(name) !== undefined || name.endsWith("Of");
