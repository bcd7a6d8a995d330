import { z } from "zod";
import type { Format } from "../../index.ts";

const schema = z.union([z.record(z.string(), z.unknown()), z.boolean()], "expected a JSON schema");
type Schema = z.output<typeof schema>;

/** The name sent to other servers for a schema without a name. */
const UNNAMED = "answer";

const named = z.object({
  name: z
    .string("expected a name")
    .regex(/^[\w-]{1,64}$/, "expected a name of 1 to 64 letters, digits, _ and -")
    .nullish()
    .transform((name) => name ?? UNNAMED)
    .describe("the schema's name; ignored"),
  description: z.string().nullish().describe("the schema's description; not shown to the model"),
  schema: schema.describe("the schema to enforce; refused if any part cannot be enforced"),
  strict: z.boolean().nullish().describe("ignored: the schema is always enforced"),
});

/** Parses a schema from its text. */
function parsed(text: string, { addIssue }: z.RefinementCtx): Schema {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    addIssue({ code: "custom", message: "expected a JSON schema as text" });
    return z.NEVER;
  }
}

/** Wraps a schema without a name in OpenAI's format. */
const byName = (schema: Schema) => ({
  type: "json_schema" as const,
  json_schema: { name: UNNAMED, schema } as z.output<typeof named>,
});

/** OpenAI's field for the format of an answer. */
export const responseFormat = z
  .discriminatedUnion(
    "type",
    [
      z.object({ type: z.literal("text").describe("no constraint") }),
      z.object({
        type: z.literal("json_object").describe("any JSON object, or one that matches schema if set"),
        schema: schema.nullish().describe("a JSON schema, as in llama.cpp"),
      }),
      z.object({
        type: z.literal("json_schema").describe("a JSON schema"),
        json_schema: named.describe("the schema"),
      }),
    ],
    'expected "text", "json_object" or "json_schema" as its type',
  )
  .transform((it) => {
    if (it.type !== "json_object") return it;
    return isGiven(it.schema) ? byName(it.schema) : { type: it.type };
  })
  .nullish()
  .describe("constrain the answer to JSON or a JSON schema");

type ResponseFormat = z.output<typeof responseFormat>;

const isGiven = (it: Schema | null | undefined): it is Schema => it !== undefined && it !== null;

/** Fields of other servers' APIs for an answer's format. */
export const formatShape = {
  json_schema: schema.nullish().describe("a JSON schema instead of response_format, as in llama.cpp"),
  guided_json: z
    .union([schema, z.string().transform(parsed)], "expected a JSON schema, or its text")
    .nullish()
    .describe("a JSON schema, or its text, instead of response_format, as in older vLLM"),
  structured_outputs: z
    .object({
      json: schema.nullish().describe("a JSON schema"),
      json_object: z.boolean().nullish().describe("any JSON object"),
    })
    .nullish()
    .describe("instead of response_format, as in vLLM; its other fields are not supported"),
};

type Formats = z.output<z.ZodObject<typeof formatShape>> & { response_format?: ResponseFormat };

/** Moves other servers' fields for an answer's format into `response_format`. Refuses requests with two formats. */
export function inOneFormat<T extends Formats>(input: T, { addIssue }: z.RefinementCtx) {
  const { json_schema, guided_json, structured_outputs, ...rest } = input;
  const { response_format: own } = rest;
  const schemas = Object.entries({ json_schema, guided_json, structured_outputs: structured_outputs?.json });
  const held: (readonly [field: string, format: NonNullable<ResponseFormat>])[] = [
    ...(own && own.type !== "text" ? [["response_format", own] as const] : []),
    ...schemas.flatMap(([field, it]) => (isGiven(it) ? [[field, byName(it)] as const] : [])),
    ...(structured_outputs?.json_object ? [["structured_outputs", { type: "json_object" }] as const] : []),
  ];
  const [first, second] = held;
  if (first && second) addIssue({ code: "custom", path: [second[0]], message: `expected none with ${first[0]}` });
  return { ...rest, response_format: first?.[1] ?? own };
}

export function formatOf(field: ResponseFormat): Format | undefined {
  switch (field?.type) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return "json";
    case "json_schema":
      return field.json_schema.schema;
  }
}
