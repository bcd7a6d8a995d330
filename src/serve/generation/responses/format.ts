import { z } from "zod";

const format = z.discriminatedUnion(
  "type",
  [
    z.object({ type: z.literal("text").describe("holds it to nothing") }),
    z.object({ type: z.literal("json_object").describe("holds it to any object of JSON") }),
    z.object({
      type: z.literal("json_schema").describe("holds it to a schema"),
      name: z.string().describe("of the schema; it changes nothing"),
      description: z.string().nullish().describe("of the schema, for people; the model is not told"),
      schema: z.record(z.string(), z.unknown(), "expected a JSON schema").describe("what the answer is held to"),
      strict: z.boolean().nullish().describe("the schema is enforced either way"),
    }),
  ],
  'expected "text", "json_object" or "json_schema" as its type',
);

/** OpenAI's field for the form of an answer. */
export const textField = z
  .object({
    format: format.nullish().describe("holds the answer to JSON, or to a JSON schema, token by token"),
    verbosity: z
      .literal("medium", 'expected "medium": models here have no other')
      .nullish()
      .describe("nothing else is taken"),
  })
  .nullish()
  .describe("the form of the answer");
type TextField = z.output<typeof textField>;

/** The field as chats have it. */
export function chatFormat(text: TextField) {
  if (text?.format?.type !== "json_schema") return text?.format;
  const { type, ...schema } = text.format;
  return { type, json_schema: schema };
}

export const shownText = z.object({ format });

/** The field as a response gives it back. */
export const formatShown = (text: TextField): z.output<typeof shownText> => ({
  format: text?.format ?? { type: "text" },
});
