import { z } from "zod";
import { idBeyond } from "../../engine/decode/language-model.ts";
import { checkSavings } from "../../engine/file/check-savings.ts";
import { base64 } from "../generation/base64.ts";
import { billed } from "../generation/billed.ts";
import { readingShape } from "../generation/naming.ts";
import { type TextPrompt, textsOrIds } from "../generation/prompts.ts";
import { truncateOf, truncateShape } from "../generation/truncate-fields.ts";
import { billedShape, usageOf } from "../generation/usage.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { HttpError } from "../http/errors.ts";
import type { ServerContext } from "../server-context.ts";

const vector = z.union([z.array(z.number()), z.string()]).describe("numbers, or base64 of 32-bit little-endian floats");

/** `POST /v1/embeddings`. */
export const embeddings = (context: ServerContext): Endpoint =>
  endpoint({
    method: "post",
    paths: ["/v1/embeddings"],
    summary: "Create embeddings",
    scope: "infer",
    input: z.object({
      ...readingShape,
      ...truncateShape,
      input: textsOrIds(context.limits, "texts", context.limits.maxTexts).describe(
        "the text or the token ids to embed, or a list of either",
      ),
      encoding_format: z
        .enum(["float", "base64"])
        .nullish()
        .describe("float (default), or base64 of 32-bit little-endian floats"),
      prompt_name: z
        .string()
        .min(1)
        .nullish()
        .describe("the model's own prompt before each text, such as query; default: the model's default"),
      dimensions: z.int().min(1).nullish().describe("keep this many dimensions, and normalize again"),
    }),
    example: { model: "minilm", input: ["An apple a day", "The train is late"] },
    output: z.object({
      object: z.literal("list"),
      data: z.array(z.object({ object: z.literal("embedding"), index: z.int(), embedding: vector })),
      model: z.string(),
      ...billedShape,
    }),
    async handle(input, call) {
      const choice = await context.catalogue.choose(input);
      // An embedding model supports no savings and does not check recipes, so the recipe is checked here.
      await checkSavings(choice.served.source, choice.recipe);
      const { embeddings, receipt } = await billed(context, choice, { ...call, body: input }, async (model, terms) => {
        checkDimensions(input.dimensions ?? 1, model.encoder.width);
        checkIds(input.input, model.encoder.encoder.config.vocabulary);
        const prompt = input.prompt_name ?? undefined;
        return model.embed(input.input, { ...terms, prompt, truncate: truncateOf(input) });
      });
      const encode = input.encoding_format === "base64" ? base64 : (values: Float32Array) => [...values];
      const data = embeddings.map((values, index) => {
        const embedding = encode(shortened(values, input.dimensions ?? values.length));
        return { object: "embedding", index, embedding };
      });
      return { object: "list", data, model: input.model, usage: usageOf(receipt), receipt };
    },
  });

/** @throws HttpError for an id outside the model's vocabulary */
function checkIds(inputs: readonly TextPrompt[], vocabulary: number): void {
  const outside = inputs.flatMap((it) => (typeof it === "string" ? [] : (idBeyond(it, vocabulary) ?? [])));
  if (outside.length === 0) return;
  const message = `input: the model's tokens are 0 to ${vocabulary - 1}, got ${outside[0]}`;
  throw new HttpError(400, message, { param: "input" });
}

/** @throws HttpError */
function checkDimensions(requested: number, has: number): void {
  if (requested > has)
    throw new HttpError(400, `dimensions: the model has ${has}, got ${requested}`, { param: "dimensions" });
}

/** Shortens a vector, for models trained to allow it (Matryoshka; Kusupati et al., arXiv 2205.13147). */
function shortened(values: Float32Array, dimensions: number): Float32Array {
  if (dimensions === values.length) return values;
  const prefix = values.slice(0, dimensions);
  const length = Math.hypot(...prefix);
  return length === 0 ? prefix : prefix.map((value) => value / length);
}
