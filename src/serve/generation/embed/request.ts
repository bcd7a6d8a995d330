import { z } from "zod";
import { listOf } from "../../../util/list-of.ts";
import type { Limits } from "../../limits.ts";
import { readingShape } from "../naming.ts";

const NO_IMAGES = "models here read text";
const FORMS = 'expected "float" or "base64": models here are not trained for vectors of fewer bits';

const inputOf = (text: z.ZodString) => {
  const part = z.object({
    type: z.literal("text", `expected "text": ${NO_IMAGES}`).describe("the only kind"),
    text: text.describe("what is turned into a vector"),
  });
  return z.object({ content: listOf(part, { of: "parts", min: 1, max: 1 }).describe("one part, a text") });
};

/** The fields of `POST /v1/embed` and `/v2/embed`, as in Cohere's API. */
export function embedInput({ maxPrompt, maxTexts }: Limits) {
  const { truncation: _, ...shape } = readingShape;
  const text = z.string().min(1).max(maxPrompt);
  return z
    .object({
      ...shape,
      texts: listOf(text, { of: "texts", min: 1, max: maxTexts })
        .nullish()
        .describe("what is turned into vectors; what is longer than the model reads is cut"),
      inputs: listOf(inputOf(text), { of: "inputs", min: 1, max: maxTexts })
        .nullish()
        .describe("in the place of texts, each with one part of text"),
      images: z.null(`expected none: ${NO_IMAGES}`).optional().describe("nothing is taken"),
      input_type: z
        .enum(
          ["search_document", "search_query", "classification", "clustering"],
          `expected "search_document", "search_query", "classification" or "clustering": ${NO_IMAGES}`,
        )
        .nullish()
        .describe("changes nothing: models here read queries and documents alike"),
      embedding_types: listOf(z.enum(["float", "base64"], FORMS), { of: "types", min: 1, max: 8 })
        .nullish()
        .describe("numbers, the default, or base64 of 32-bit little-endian floats; none in fewer bits"),
      output_dimension: z.int().min(1).nullish().describe("keep the first ones, and make the vector's length 1 again"),
      truncate: z
        .literal("END", 'expected "END": what is longer than the model reads is cut at its end')
        .nullish()
        .describe("nothing else is taken"),
      max_tokens: z
        .null("expected none: as many tokens are read as the model reads")
        .optional()
        .describe("nothing is taken"),
      priority: z.int().nullish().describe("changes nothing"),
    })
    .superRefine(({ texts, inputs }, { addIssue }) => {
      if (!texts === !inputs)
        addIssue({ code: "custom", path: ["texts"], message: "expected texts or inputs, not both" });
    });
}
export type EmbedInput = z.output<ReturnType<typeof embedInput>>;

export const textsOf = ({ texts, inputs }: EmbedInput): string[] =>
  texts ?? (inputs ?? []).map(({ content }) => content[0]!.text);
