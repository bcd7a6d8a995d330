import { z } from "zod";
import type { RunOptions } from "../../index.ts";
import { type Limits, LONGEST_STOP, MOST_STOPS } from "../limits.ts";
import { formatOf, responseFormat } from "./response-format.ts";

export const savingsField = z.array(z.string().max(500), "expected a list of savings").max(8);

/** Which model, under which savings: what every request says. */
export const modelShape = {
  model: z
    .string("expected a model's name")
    .max(300)
    .describe("a model's name, or a registered recipe's, as smollm2@fast"),
  savings: savingsField
    .nullish()
    .describe(
      "ways to spend less, each name or name:key=value,…; none is dense; where it is not said, the key's recipe",
    ),
};

/** What requests say that have texts read. */
export const readingShape = {
  ...modelShape,
  max_flops: z
    .number()
    .positive()
    .nullish()
    .describe("most FLOPs; a request whose texts cost more by their lengths, densely, is refused"),
};

const stops = z
  .union(
    [
      z
        .string()
        .min(1)
        .max(LONGEST_STOP)
        .transform((text) => [text]),
      z.array(z.string().min(1).max(LONGEST_STOP)).max(MOST_STOPS),
    ],
    `expected a text, or at most ${MOST_STOPS} texts, of 1 to ${LONGEST_STOP} characters`,
  )
  .nullish()
  .describe("texts that end the answer; they are not part of it");

/** OpenAI's fields of generation, and vLLM's for what OpenAI has none. */
export const generationShape = ({ maxChoices, maxTokens }: Limits) => ({
  ...modelShape,
  max_tokens: z.int().min(1).max(maxTokens).nullish(),
  max_flops: z
    .number()
    .positive()
    .nullish()
    .describe("most FLOPs of all answers together, passed by a step at most; they end there, as with max_tokens"),
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullish()
    .describe("1 where it is not said, as OpenAI has it; 0 takes the likeliest token"),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  repetition_penalty: z.number().positive().max(10).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, "expected a token's id"), z.number().min(-100).max(100))
    .nullish()
    .describe("added to the logits, by token id; ±100 forces or bans"),
  seed: z.int().min(0).nullish().describe("same seed, same answer"),
  stop: stops,
  response_format: responseFormat,
  n: z.int().min(1).max(maxChoices).nullish().describe("how many answers"),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
});

type Fields = z.output<z.ZodObject<ReturnType<typeof generationShape>>>;

/** A request's fields as the library's options, of its `choice`th answer: seeds follow each other, so that answers differ. */
export function optionsOf(fields: Fields, maxTokens: number, choice: number): RunOptions {
  const { seed } = fields;
  return {
    maxTokens,
    ceiling: { flops: fields.max_flops ?? undefined },
    temperature: fields.temperature ?? 1,
    topP: fields.top_p ?? undefined,
    topK: fields.top_k ?? undefined,
    minP: fields.min_p ?? undefined,
    frequencyPenalty: fields.frequency_penalty ?? undefined,
    presencePenalty: fields.presence_penalty ?? undefined,
    repetitionPenalty: fields.repetition_penalty ?? undefined,
    logitBias: fields.logit_bias ?? undefined,
    stop: fields.stop ?? undefined,
    format: formatOf(fields.response_format),
    seed: typeof seed === "number" ? (seed + choice) % Number.MAX_SAFE_INTEGER : undefined,
  };
}
