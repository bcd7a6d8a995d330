import { expect, test } from "vitest";
import { callsOf } from "../../../util/calls.testing.ts";
import { compiled } from "./compile.ts";
import type { Schema } from "./keywords.ts";

const takes = (schema: Schema, value: string): boolean => {
  const { forest, root } = compiled(schema);
  return forest.takes(root, Buffer.from(value));
};

test.each<[string, Schema, string, string]>([
  ["a type beside alternatives", { type: "integer", anyOf: [{ minimum: 3 }, { type: "string" }] }, "4", "4.5"],
  ["a type beside a reference", { $defs: { n: { minimum: 3 } }, type: "integer", $ref: "#/$defs/n" }, "4", "4.5"],
  ["names that are all strings", { propertyNames: true }, '{"a":1}', "{1:1}"],
  ["names of a list with others in it", { propertyNames: { enum: ["a", 1] } }, '{"a":1}', "{1:1}"],
  ["numbers in steps of 1", { type: "number", multipleOf: 1 }, "2", "2.5"],
  ["a tuple and nothing more", { prefixItems: [{ type: "null" }], unevaluatedItems: false }, "[null]", "[null,1]"],
  ["a tuple as earlier versions have it", { items: [{ type: "integer" }, { type: "null" }] }, "[1, null, 2]", '["a"]'],
  ["a tuple of theirs and nothing more", { items: [{ type: "null" }], additionalItems: false }, "[null]", "[null,1]"],
  ["a reference into a tuple of theirs", { items: [{ const: 1 }, { $ref: "#/items/0" }] }, "[1,1]", "[1,2]"],
  ["no properties", { type: "object", unevaluatedProperties: false }, "{}", '{"a":1}'],
  ["no properties beside alternatives", { unevaluatedProperties: false, anyOf: [{ type: "object" }] }, "{}", '{"a":1}'],
  ["a format with a length", { format: "date", minLength: 10, maxLength: 10 }, '"2024-01-31"', '"2024-01-3"'],
  ["an open bound of 17 digits", { exclusiveMaximum: 0.30000000000000004 }, "0.3", "0.30000000000000003"],
  ["a schema within a schema", within(), '{"a":1}', '{"a":"x"}'],
  ["a reference with an escape of addresses", { $defs: { "a/b": { const: 1 } }, $ref: "#/$defs/a%7E1b" }, "1", "2"],
  ["a key with a quote", { properties: { 'a"b': true }, additionalProperties: true }, '{"c":1}', '{"a"c":1}'],
])("%s", (_, schema, met, missed) => expect([takes(schema, met), takes(schema, missed)]).toEqual([true, false]));

function within(): Schema {
  const inner = { $id: "inner", $defs: { n: { type: "integer" } }, allOf: [{ $ref: "#/$defs/n" }] };
  return { $defs: { n: { type: "string" } }, properties: { a: inner }, required: ["a"] };
}

const tagged = (tag: unknown, type: unknown) => ({ type, properties: { tag: { const: tag } }, required: ["tag"] });

test.each<[Schema, RegExp]>([
  [{ minimum: 1e16 }, /numbers of more than 15 digits/],
  [{ maximum: -1e16 }, /numbers of more than 15 digits/],
  [{ multipleOf: 2 }, /"multipleOf": expected 1, since other values cannot be enforced/],
  [{ format: "email", maxLength: 8 }, /"minLength" or "maxLength" with this "pattern" or "format"/],
  [{ const: 1, enum: [2] }, /"enum" with "const"/],
  [{ enum: Array(20_000).fill(1) }, /"enum": has 20000 values; the limit is 2000$/],
  [{ enum: 1 }, /"enum": expected a list of values, got 1$/],
  [{ properties: { a: true }, propertyNames: { const: "b" }, additionalProperties: false }, /"propertyNames" with/],
  [{ oneOf: [{ const: { a: 1, b: 2 } }, { const: { b: 2, a: 1 } }] }, /"oneOf" cannot be enforced/],
  [{ oneOf: [tagged(1, ["object", "string"]), tagged(2, ["object", "string"])] }, /"oneOf" cannot be enforced/],
])("%j is refused", (schema, sentence) => expect(() => compiled(schema)).toThrow(sentence));

test("a format that nobody knows is a remark beside values that are listed", () => {
  expect(takes({ type: "integer", format: "int32", enum: [1, 2] }, "2")).toBe(true);
});

test("the commonest schemas are read with little work", async () => {
  const integers = { type: "array", prefixItems: Array.from({ length: 20 }, () => ({ type: "integer" })) };
  const calls = await callsOf(() => expect(takes(integers, "[-999999999999999,0,7]")).toBe(true));
  expect(calls).toBeLessThan(300_000);
});
