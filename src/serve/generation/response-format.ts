import { z } from "zod";
import type { Format } from "../../index.ts";

const schema = z.union([z.record(z.string(), z.unknown()), z.boolean()], "expected a JSON schema");
type Schema = z.output<typeof schema>;

const named = z.object({
  name: z
    .string("expected a name")
    .regex(/^[\w-]{1,64}$/, "expected a name of 1 to 64 letters, digits, _ and -")
    .describe("of the schema; it changes nothing"),
  description: z.string().nullish().describe("of the schema, for people; the model is not told"),
  schema: schema.describe("what the answer is held to; refused where a part of it cannot be enforced"),
  strict: z.boolean().nullish().describe("the schema is enforced either way"),
});

/** A schema that came without a name. */
const byName = (schema: Schema) => ({
  type: "json_schema" as const,
  json_schema: { name: "answer", schema } as z.output<typeof named>,
});

/** OpenAI's field for what an answer is held to. */
export const responseFormat = z
  .discriminatedUnion(
    "type",
    [
      z.object({ type: z.literal("text").describe("holds it to nothing") }),
      z.object({
        type: z.literal("json_object").describe("holds it to any object of JSON, or to a schema if there is one"),
        schema: schema.nullish().describe("a JSON schema, as llama.cpp takes it"),
      }),
      z.object({
        type: z.literal("json_schema").describe("holds it to a schema"),
        json_schema: named.describe("which"),
      }),
    ],
    'expected "text", "json_object" or "json_schema" as its type',
  )
  .transform((it) => {
    if (it.type !== "json_object") return it;
    return isGiven(it.schema) ? byName(it.schema) : { type: it.type };
  })
  .nullish()
  .describe("holds the answer to JSON, or to a JSON schema, token by token");

type ResponseFormat = z.output<typeof responseFormat>;

const isGiven = (it: Schema | null | undefined): it is Schema => it !== undefined && it !== null;

/** Other servers' fields for the same. */
export const formatShape = {
  json_schema: schema.nullish().describe("a JSON schema in the place of response_format, as llama.cpp takes it"),
  guided_json: schema.nullish().describe("a JSON schema in the place of response_format, as vLLM took it"),
  structured_outputs: z
    .object({
      json: schema.nullish().describe("a JSON schema"),
      json_object: z.boolean().nullish().describe("any object of JSON"),
    })
    .nullish()
    .describe("in the place of response_format, as vLLM takes it; its other parts are not supported"),
};

type Formats = z.output<z.ZodObject<typeof formatShape>> & { response_format?: ResponseFormat };

/** A request that says in `response_format` alone what its answers are held to. It refuses to hold them to two things. */
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
  if (first && second) addIssue({ code: "custom", path: [second[0]], message: `expected none beside ${first[0]}` });
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
