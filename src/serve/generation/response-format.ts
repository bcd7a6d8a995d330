import { z } from "zod";
import type { Format } from "../../index.ts";

const schema = z.union([z.record(z.string(), z.unknown()), z.boolean()], "expected a JSON schema");
const named = z.object({
  name: z
    .string("expected a name")
    .regex(/^[\w-]{1,64}$/, "expected a name of 1 to 64 letters, digits, _ and -")
    .describe("of the schema; it changes nothing"),
  description: z.string().nullish().describe("of the schema, for people; the model is not told"),
  schema: schema.describe("what the answer is held to; refused where a part of it cannot be enforced"),
  strict: z.boolean().nullish().describe("the schema is enforced either way"),
});

/** OpenAI's field for what an answer is held to. */
export const responseFormat = z
  .discriminatedUnion(
    "type",
    [
      z.object({ type: z.literal("text").describe("holds it to nothing") }),
      z.object({ type: z.literal("json_object").describe("holds it to any object of JSON") }),
      z.object({
        type: z.literal("json_schema").describe("holds it to a schema"),
        json_schema: named.describe("which"),
      }),
    ],
    'expected "text", "json_object" or "json_schema" as its type',
  )
  .nullish()
  .describe("holds the answer to JSON, or to a JSON schema, token by token");

type ResponseFormat = z.output<typeof responseFormat>;

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
