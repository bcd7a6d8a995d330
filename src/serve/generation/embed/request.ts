import { z } from "zod";
import { listOf } from "../../../util/list-of.ts";
import type { Limits } from "../../limits.ts";
import { readingShape } from "../naming.ts";

const NO_IMAGES = "models here read text";
const FORMS = 'expected "float" or "base64": models here return no quantized vectors';

const inputOf = (text: z.ZodString) => {
  const part = z.object({
    type: z.literal("text", `expected "text": ${NO_IMAGES}`).describe("the only type"),
    text: text.describe("the text to embed"),
  });
  return z.object({ content: listOf(part, { of: "parts", min: 1, max: 1 }).describe("one text part") });
};

/** The fields of `POST /v1/embed` and `/v2/embed`, as in Cohere's API. */
export function embedInput({ maxPrompt, maxTexts }: Limits) {
  const { truncation: _, ...shape } = readingShape;
  const text = z.string().min(1).max(maxPrompt);
  return z
    .object({
      ...shape,
      texts: listOf(text, { of: "texts", min: 1, max: maxTexts }).nullish().describe("texts to embed"),
      inputs: listOf(inputOf(text), { of: "inputs", min: 1, max: maxTexts })
        .nullish()
        .describe("replaces texts; each input has one text part"),
      images: z.null(`expected none: ${NO_IMAGES}`).optional().describe("not supported"),
      input_type: z
        .enum(
          ["search_document", "search_query", "classification", "clustering"],
          `expected "search_document", "search_query", "classification" or "clustering": ${NO_IMAGES}`,
        )
        .nullish()
        .describe("ignored; /v1/embeddings has prompt_name to choose a model's prompt"),
      embedding_types: listOf(z.enum(["float", "base64"], FORMS), { of: "types", min: 1, max: 8 })
        .nullish()
        .describe("float (default), or base64 of 32-bit little-endian floats"),
      output_dimension: z.int().min(1).nullish().describe("keep this many dimensions, and normalize again"),
      truncate: z
        .enum(["END", "NONE"], 'expected "END" or "NONE": texts are cut only at their end')
        .nullish()
        .describe("END (default): cut off the end of texts that are too long for the model; NONE: refuse them"),
      max_tokens: z.null("not supported: texts are read up to the model's limit").optional().describe("not supported"),
      priority: z.int().nullish().describe("ignored"),
    })
    .superRefine(({ texts, inputs }, { addIssue }) => {
      if (!texts === !inputs) addIssue({ code: "custom", path: ["texts"], message: "expected either texts or inputs" });
    });
}
export type EmbedInput = z.output<ReturnType<typeof embedInput>>;

export const textsOf = ({ texts, inputs }: EmbedInput): string[] =>
  texts ?? (inputs ?? []).map(({ content }) => content[0]!.text);
