import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { listOf } from "../../../util/list-of.ts";

export type Schema = boolean | { readonly [keyword: string]: unknown };

/** Keywords that annotate a schema and do not constrain values. */
const REMARKS = ["$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "title", "description", "default"];
const MORE_REMARKS = ["examples", "deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "id"];
const remarks = new Set([...REMARKS, ...MORE_REMARKS, "strict", "nullable"]);

const schema = z.union([z.boolean(), z.record(z.string(), z.unknown())], "expected a schema, an object or a boolean");
/** The maximum number of items in a list. */
const MOST = 10_000;
const schemas = listOf(schema, { of: "schemas", min: 1, max: MOST });
const named = z.record(z.string(), schema, "expected schemas by name");
const count = z.int().min(0);
export const TYPES = ["string", "number", "integer", "boolean", "null", "object", "array"] as const;
export type Type = (typeof TYPES)[number];
const type = z.enum(TYPES, `expected one of ${TYPES.join(", ")}`);

/** The message for a value of the wrong type; a wrong length has its own message. */
const listExpected = ({ code }: z.core.$ZodRawIssue) =>
  code === "invalid_type" ? "expected a list of values" : undefined;

/** The enforced keywords and their values. */
export const keywords = z.object({
  type: z
    .union(
      [type.transform((one) => [one]), listOf(type, { of: "types", min: 1, max: TYPES.length })],
      `expected one of ${TYPES.join(", ")}`,
    )
    .optional(),
  enum: z.array(z.unknown(), { error: listExpected }).min(1).max(2000).optional(),
  const: z.unknown().optional(),
  $ref: z.string("expected a text").optional(),
  anyOf: schemas.optional(),
  oneOf: schemas.optional(),
  allOf: schemas.optional(),
  properties: named.optional(),
  required: listOf(z.string(), { of: "names", max: MOST }).optional(),
  additionalProperties: schema.optional(),
  propertyNames: schema.optional(),
  minProperties: count.optional(),
  maxProperties: count.optional(),
  // Up to version 2019-09, a list means the same as prefixItems, and additionalItems applies to the items after it.
  items: z.union([schema, schemas], "expected a schema, or a list of schemas").optional(),
  additionalItems: schema.optional(),
  prefixItems: schemas.optional(),
  minItems: count.optional(),
  maxItems: count.optional(),
  minLength: count.optional(),
  maxLength: count.optional(),
  pattern: z.string("expected a text").optional(),
  format: z.string("expected a text").optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  exclusiveMaximum: z.number().optional(),
  multipleOf: z.literal(1, "expected 1, since other values cannot be enforced").optional(),
  unevaluatedProperties: schema.optional(),
  unevaluatedItems: schema.optional(),
});
export type Keywords = z.output<typeof keywords>;
export type Keyword = keyof Keywords;

/** @throws UserError for an unknown keyword: ignoring it would change the schema's meaning */
export function refuseUnknown(schema: object): void {
  for (const [keyword, value] of Object.entries(schema)) {
    if (remarks.has(keyword) || Object.hasOwn(keywords.shape, keyword) || keyword.startsWith("x-")) continue;
    // With this value, the keyword has no effect.
    if (keyword === "uniqueItems" && value === false) continue;
    throw new UserError(`"${keyword.slice(0, 60)}" cannot be enforced`);
  }
}
