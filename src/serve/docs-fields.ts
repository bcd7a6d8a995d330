import { z } from "zod";
import { type Html, html } from "../util/html.ts";

type Schema = z.core.JSONSchema.BaseSchema;

/** One row of a table of fields. */
interface Field {
  /** The field's path, such as `choices[].message.content`. */
  readonly name: string;
  readonly schema: Schema;
  /** True if the object that holds the field requires it. */
  readonly required: boolean;
}

/** A table of the fields of a request or an answer. Each object precedes its fields; empty if there are no fields. */
export function fieldsTable(type: z.ZodType, io: "input" | "output"): Html {
  const rows = inside(z.toJSONSchema(type, { io, unrepresentable: "any" }), "").map((field) => row(field, io));
  if (rows.length === 0) return html``;
  return html`<table><thead><tr><th>field</th><th>type</th><th>meaning</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function inside(schema: Schema, holder: string): Field[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([key, value]) => {
    const schema = value as Schema;
    const name = holder + key;
    const { type, items } = only(schema);
    const inner =
      type === "array" && items ? inside(only(items as Schema), `${name}[].`) : inside(only(schema), `${name}.`);
    return [{ name, schema, required: required.includes(key) }, ...inner];
  });
}

function row({ name, schema, required }: Field, io: "input" | "output"): Html {
  const mark = required && io === "input" ? html` <strong>required</strong>` : html``;
  const preset = schema.default === undefined ? "" : `default ${JSON.stringify(schema.default)}`;
  const meaning = [schema.description ?? only(schema).description, preset].filter(Boolean).join("; ");
  return html`<tr><td><code>${name}</code>${mark}</td><td>${kindOf(schema)}</td><td>${meaning}</td></tr>`;
}

const choicesOf = ({ anyOf, oneOf }: Schema): Schema[] =>
  ((anyOf ?? oneOf ?? []) as Schema[]).filter(({ type }) => type !== "null");

/** The schema without null. */
function only(schema: Schema): Schema {
  const [first, ...others] = choicesOf(schema);
  return first && others.length === 0 ? first : schema;
}

/** A field's type, in short: `number 0 … 2`, `string or array of string`. Null is left out. */
function kindOf(schema: Schema): string {
  const choices = choicesOf(schema);
  if (choices.length > 0) return [...new Set(choices.map(kindOf))].join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const types = [schema.type ?? []].flat().filter((type) => type !== "null");
  if (types.length === 0) return schema.type === "null" ? "null" : "any";
  if (types[0] === "array" && schema.items) return `array of ${kindOf(schema.items as Schema)}`;
  return `${types.join(" or ")} ${rangeOf(schema)}`.trimEnd();
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  if (isBound(minimum) && isBound(maximum)) return `${minimum} … ${maximum}`;
  const bounds = { "≥": minimum, ">": exclusiveMinimum, "≤": maximum, "<": exclusiveMaximum };
  return Object.entries(bounds)
    .filter(([, bound]) => isBound(bound))
    .map(([sign, bound]) => `${sign} ${bound}`)
    .join(", ");
}

/** Integer schemas have the largest safe integer as a bound, which does not help a reader. */
const isBound = (bound: unknown): boolean => typeof bound === "number" && Math.abs(bound) < 1e15;
