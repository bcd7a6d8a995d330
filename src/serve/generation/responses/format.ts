import { z } from "zod";

const format = z.discriminatedUnion(
  "type",
  [
    z.object({ type: z.literal("text").describe("no constraint") }),
    z.object({ type: z.literal("json_object").describe("any JSON object") }),
    z.object({
      type: z.literal("json_schema").describe("a JSON schema"),
      name: z.string().describe("the schema's name; ignored"),
      description: z.string().nullish().describe("the schema's description; not shown to the model"),
      schema: z.record(z.string(), z.unknown(), "expected a JSON schema").describe("the schema to enforce"),
      strict: z.boolean().nullish().describe("ignored: the schema is always enforced"),
    }),
  ],
  'expected "text", "json_object" or "json_schema" as its type',
);

/** OpenAI's field for the format of an answer. */
export const textField = z
  .object({
    format: format.nullish().describe("constrain the answer to JSON or a JSON schema"),
    verbosity: z
      .literal("medium", 'expected "medium", the only supported verbosity')
      .nullish()
      .describe("the only accepted value"),
  })
  .nullish()
  .describe("the format of the answer");
type TextField = z.output<typeof textField>;

/** Converts the field to a chat's `response_format`. */
export function chatFormat(text: TextField) {
  if (text?.format?.type !== "json_schema") return text?.format;
  const { type, ...schema } = text.format;
  return { type, json_schema: schema };
}

export const shownText = z.object({ format });

/** The field as it appears in a response. */
export const formatShown = (text: TextField): z.output<typeof shownText> => ({
  format: text?.format ?? { type: "text" },
});
