import { z } from "zod";
import type { Format } from "../../index.ts";

const schema = z.union([z.record(z.string(), z.unknown()), z.boolean()], "expected a JSON schema");
const named = z.object({
  name: z.string("expected a name").regex(/^[\w-]{1,64}$/, "expected a name of 1 to 64 letters, digits, _ and -"),
  description: z.string().nullish(),
  schema,
  strict: z.boolean().nullish().describe("the schema is enforced either way"),
});

/** OpenAI's field for what an answer is held to. */
export const responseFormat = z
  .discriminatedUnion(
    "type",
    [
      z.object({ type: z.literal("text") }),
      z.object({ type: z.literal("json_object") }),
      z.object({ type: z.literal("json_schema"), json_schema: named }),
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
