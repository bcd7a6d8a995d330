import { z } from "zod";
import { escaped } from "../util/html.ts";
import type { Endpoint } from "./http/endpoint.ts";

type Schema = z.core.JSONSchema.BaseSchema;

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
code{font-family:ui-monospace,monospace}section{border-top:1px solid #8886;padding:.5rem 0}h2{font-size:1.1rem}
table{border-collapse:collapse;width:100%}td{border-top:1px solid #8884;padding:.2rem .8rem .2rem 0;vertical-align:top}`;

/** A page that tells what each endpoint takes: nothing in it is loaded from elsewhere. */
export function docsPage(endpoints: readonly Endpoint[], version: string): string {
  const intro = `An answer carries its <code>receipt</code>, a refusal one sentence in OpenAI's shape. The same for programs: <a href="/openapi.json">openapi.json</a>.`;
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Modicum</title><style>${STYLE}</style><h1>Modicum ${escaped(version)}</h1><p>${intro}</p>${endpoints.map(section).join("\n")}</html>`;
}

function section({ method, paths, summary, scope, input, event }: Endpoint): string {
  const names = paths.map((path) => `<code>${method.toUpperCase()} ${escaped(path)}</code>`).join(", ");
  const notes = [
    scope ? `Scope: ${scope}.` : "No key is needed.",
    event ? "Streams with <code>stream: true</code>." : "",
  ];
  return `<section><h2>${names}</h2><p>${escaped(summary)}. ${notes.join(" ")}</p>${input ? fields(input) : ""}</section>`;
}

function fields(input: z.ZodType): string {
  const { properties = {}, required = [] } = z.toJSONSchema(input, { io: "input", unrepresentable: "any" }) as Schema;
  const rows = Object.entries(properties).map(([name, schema]) => row(name, schema as Schema, required.includes(name)));
  return `<table>${rows.join("")}</table>`;
}

function row(name: string, schema: Schema, required: boolean): string {
  const cells = [`<code>${escaped(name)}</code>`, escaped(kindOf(schema)), escaped(schema.description ?? "")];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}<td>${required ? "needed" : ""}</td></tr>`;
}

/** `number 0 … 2`, `text | list`: what a field may be, in short. */
function kindOf(schema: Schema): string {
  const choices = (schema.anyOf ?? []) as Schema[];
  if (choices.length > 0) return [...new Set(choices.map(kindOf))].filter((kind) => kind !== "null").join(" | ");
  if (schema.enum) return schema.enum.map(String).join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  const range = [schema.minimum, schema.maximum].some((n) => n !== undefined && Math.abs(n) < 1e15);
  const [low, high] = [schema.minimum, schema.maximum].map((n) => (n !== undefined && Math.abs(n) < 1e15 ? n : ""));
  return range ? `${schema.type} ${low} … ${high}` : String(schema.type ?? "any");
}
