import type { Schema } from "./keywords.ts";

const closed = (properties: Record<string, Schema>, required = Object.keys(properties)) => ({
  ...{ type: "object", properties, required, additionalProperties: false },
});
const tagged = (kind: string, rest: Record<string, Schema>) => closed({ kind: { const: kind }, ...rest });

/** Schemas of all kinds; tests validate answers against them. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  "a boolean": { type: "boolean" },
  "an enum of all kinds": { enum: ['a"b', 1, null, { x: [1, "y"] }, 1.5e10, true, "é\n", "日本"] },
  "a constant": { const: { a: "b\\c" } },
  "a string": { type: "string" },
  "a string of a length": { type: "string", minLength: 2, maxLength: 12 },
  "a long string": { type: "string", minLength: 30, maxLength: 100_000 },
  "a pattern": { type: "string", pattern: "^[A-Z]{3}-[0-9]{4}$" },
  "a pattern that is found anywhere": { type: "string", pattern: "[a-z]" },
  "a pattern of any characters": { type: "string", pattern: "^.{1,8}$" },
  "a pattern of what JSON escapes": { type: "string", pattern: '^["\\\\\\n/][^a"]{0,4}$' },
  "a pattern of alternatives": { type: "string", pattern: "^(ab|cd)+$|^x\\.y$" },
  "a pattern with a length": { type: "string", pattern: "^\\w+$", minLength: 3, maxLength: 9 },
  "a date and a time": closed({ at: { type: "string", format: "date-time" }, on: { type: "string", format: "date" } }),
  "an address and a host": closed({
    mail: { type: "string", format: "email" },
    ip: { type: "string", format: "ipv4" },
  }),
  "a uuid and a uri": closed({ id: { type: "string", format: "uuid" }, at: { type: "string", format: "uri" } }),
  "an integer": { type: "integer" },
  "an integer within bounds": { type: "integer", minimum: -17, maximum: 305 },
  "an integer between bounds": { type: "integer", exclusiveMinimum: 0, exclusiveMaximum: 10 },
  "a number": { type: "number" },
  "a number within bounds": { type: "number", minimum: -1.5, maximum: 98.25 },
  "a number between bounds": { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
  "a number above a bound": { type: "number", minimum: 0.05 },
  "a large number": { type: "number", exclusiveMinimum: 999999999.5, exclusiveMaximum: 1e9 },
  "an object": closed({ name: { type: "string", maxLength: 30 }, age: { type: "integer", minimum: 0, maximum: 120 } }),
  "an empty object": closed({}),
  "what may be left out": closed({ a: { type: "integer" }, b: { type: "boolean" }, c: { type: "null" } }, ["b"]),
  "a required property without a schema": { type: "object", required: ["a"], maxProperties: 1 },
  "properties of any name": { type: "object", additionalProperties: { type: "boolean" }, maxProperties: 4 },
  "properties beside known ones": {
    ...{ type: "object", properties: { a: { type: "integer" }, ab: { type: "integer" } } },
    ...{ additionalProperties: { type: "boolean" }, maxProperties: 4 },
  },
  "names of a pattern": { type: "object", propertyNames: { pattern: "^[a-z]{1,3}$" }, maxProperties: 3 },
  "an array": { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 5 },
  "arrays in arrays": {
    ...{ type: "array", maxItems: 3 },
    items: { type: "array", items: { enum: ["x", "y"] }, minItems: 1, maxItems: 2 },
  },
  "a tuple": { type: "array", prefixItems: [{ type: "integer" }, { type: "string", maxLength: 5 }], items: false },
  "a tuple and more": {
    ...{ type: "array", prefixItems: [{ type: "integer" }, { type: "boolean" }], items: { type: "null" } },
    ...{ minItems: 2, maxItems: 4 },
  },
  alternatives: { anyOf: [{ type: "integer" }, { type: "array", items: { type: "boolean" }, maxItems: 3 }] },
  "one of tagged objects": {
    oneOf: [tagged("cat", { lives: { type: "integer" } }), tagged("dog", { good: { const: true } })],
  },
  "several types": { type: ["integer", "null", "string"], maxLength: 4 },
  "a tree": {
    $defs: {
      node: closed({
        value: { type: "integer" },
        kids: { type: "array", items: { $ref: "#/$defs/node" }, maxItems: 2 },
      }),
    },
    $ref: "#/$defs/node",
  },
  "a list by references": {
    $defs: {
      list: { anyOf: [{ type: "null" }, closed({ head: { type: "boolean" }, tail: { $ref: "#/$defs/list" } })] },
    },
    ...closed({ list: { $ref: "#/$defs/list" } }),
  } as Schema,
  "an alternative that never ends": {
    $defs: { endless: closed({ next: { $ref: "#/$defs/endless" } }) },
    anyOf: [{ $ref: "#/$defs/endless" }, { const: "end" }],
  },
  "all of one": { allOf: [{ type: "string", maxLength: 3 }], description: "a short text" },
  "a nested order": closed({
    items: {
      ...{ type: "array", minItems: 1, maxItems: 2 },
      items: closed({
        sku: { type: "string", pattern: "^[A-Z]{2}[0-9]{2}$" },
        tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 2 },
      }),
    },
    total: { type: "number", minimum: 0 },
  }),
};
