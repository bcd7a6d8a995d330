import { z } from "zod";
import type { Endpoint } from "./http/endpoint.ts";

/** JSON Schema of version 2020-12, which OpenAPI 3.1 accepts unchanged. */
type Schema = z.core.JSONSchema.BaseSchema;

const schemaOf = (type: z.ZodType, io: "input" | "output"): Schema => {
  const { $schema, ...schema } = z.toJSONSchema(type, { io, unrepresentable: "any" });
  return schema;
};

const error = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

/** The server's description as OpenAPI 3.1, from the schemas that check requests. */
export function openApi(endpoints: readonly Endpoint[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const it of endpoints)
    for (const path of it.paths) paths[path] = { ...paths[path], [it.method]: operation(it, path) };
  const bearer = { type: "http", scheme: "bearer", description: "an API key, from `modicum keys create`" };
  return {
    openapi: "3.1.0",
    info: { title: "Modicum", version, description: "Models that spend only the compute each input needs" },
    paths,
    components: { securitySchemes: { key: bearer }, schemas: { Error: schemaOf(error, "output") } },
  };
}

function operation(it: Endpoint, path: string): object {
  return {
    summary: it.summary,
    ...(path !== it.paths[0] && { description: `The same as ${it.paths[0]}.` }),
    ...(it.scope && { security: [{ key: [] }, {}], "x-scope": it.scope }),
    parameters: [...pathParameters(it, path), ...queryParameters(it)],
    ...(it.method === "post" && it.input && { requestBody: { required: true, content: json(it.input, "input") } }),
    responses: { 200: { description: "success", content: contentOf(it) }, default: refusal },
  };
}

const refusal = {
  description: "the request was refused or failed; message is one sentence",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
};

const json = (type: z.ZodType, io: "input" | "output") => ({ "application/json": { schema: schemaOf(type, io) } });

const contentOf = ({ output, event }: Endpoint): object => ({
  ...(output ? json(output, "output") : { "text/plain": { schema: { type: "string" } } }),
  ...(event && { "text/event-stream": { schema: eventOf(event) } }),
});

/** Describes each event and its fields, as in OpenAPI 3.2 and later. */
function eventOf(event: z.ZodType): object {
  const json = { type: "string", contentMediaType: "application/json", contentSchema: schemaOf(event, "output") };
  return { type: "object", properties: { data: { anyOf: [{ const: "[DONE]" }, json] } }, required: ["data"] };
}

const pathParameters = ({ params = {} }: Endpoint, path: string): object[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: "path", required: true, description: params[name!] },
    schema: { type: "string" },
  }));

function queryParameters({ method, input }: Endpoint): object[] {
  if (method === "post" || !input) return [];
  const { properties = {}, required = [] } = schemaOf(input, "input");
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: "query", required: required.includes(name) },
    schema,
  }));
}
