import { z } from "zod";
import type { RunOptions } from "../../index.ts";
import { listOf } from "../../util/list-of.ts";
import { type Limits, LONGEST_STOP, MOST_STOPS } from "../limits.ts";
import { formatOf, responseFormat } from "./response-format.ts";

export const savingsField = listOf(z.string().max(500), { of: "savings", max: 8 });

/** Which model, under which savings: what every request says. */
export const modelShape = {
  model: z
    .string("expected a model's name")
    .max(300)
    .describe("a model's name, or a registered recipe's, as smollm2@fast"),
  savings: savingsField
    .nullish()
    .describe(
      "ways to spend less, each name or name:key=value,…; none is dense; where it is not said, chats and completions run under the key's recipe",
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
  truncation: z
    .literal(true, "expected true: what is longer than the model reads is cut")
    .nullish()
    .describe("nothing else is taken"),
};

const stops = z
  .union(
    [
      z
        .string()
        .min(1)
        .max(LONGEST_STOP)
        .transform((text) => [text]),
      listOf(z.string().min(1).max(LONGEST_STOP), { of: "texts", max: MOST_STOPS }),
    ],
    `expected a text, or at most ${MOST_STOPS} texts, of 1 to ${LONGEST_STOP} characters`,
  )
  .nullish()
  .describe("texts that end the answer; they are not part of it");

const MOST_BIASES = 4096;
const isShort = (given: unknown): boolean =>
  typeof given !== "object" || given === null || Object.keys(given).length <= MOST_BIASES;
/** Counted before they are read: each fault of a million would be kept. */
const biases = z.preprocess(
  (given) => (isShort(given) ? given : undefined),
  z.record(
    z.string().regex(/^\d+$/, "expected a token's id"),
    z.number().min(-100).max(100),
    `expected at most ${MOST_BIASES} numbers by token id`,
  ),
);

const SEEDS = `expected a whole number from -1 to ${Number.MAX_SAFE_INTEGER}`;

/** OpenAI's fields of generation, and vLLM's for what OpenAI has none. */
export const generationShape = ({ maxChoices, maxTokens }: Limits) => ({
  ...modelShape,
  max_tokens: z
    .int()
    .min(1)
    .max(maxTokens)
    .nullish()
    .describe(`most tokens of each answer; where it is not said, ${maxTokens} of a chat's, 16 of a completion's`),
  max_completion_tokens: z
    .int()
    .min(1)
    .max(maxTokens)
    .nullish()
    .describe("most tokens of each answer, in the place of max_tokens"),
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
  top_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("draw from the fewest tokens whose probabilities reach it; 1, all, where it is not said"),
  top_k: z
    .int()
    .min(-1)
    .nullish()
    .describe("draw from so many of the likeliest tokens; 0 or -1, all, where it is not said"),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("draw from tokens at least this share as likely as the likeliest; 0, all, where it is not said"),
  frequency_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe("taken from a token's logit for each time that the answer has it; 0 where it is not said"),
  presence_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe("taken from the logit of every token that the answer has; 0 where it is not said"),
  repetition_penalty: z
    .number()
    .min(0.1)
    .max(10)
    .nullish()
    .describe(
      "divides positive and multiplies negative logits of the last 64 tokens, the prompt's too; 1, off, where it is not said",
    ),
  logit_bias: biases.nullish().describe("added to the logits, by token id; ±100 forces or bans"),
  seed: z
    .int(SEEDS)
    .min(-1, SEEDS)
    .nullish()
    .describe(
      "same seed, same answers, of which each has the next seed, but where the 8-bit form of weights, the default, rounds otherwise as a prompt's beginning was cached; random where it is -1 or not said",
    ),
  stop: stops,
  response_format: responseFormat,
  n: z.int().min(1).max(maxChoices).nullish().describe("how many answers to each prompt; 1 where it is not said"),
  stream: z.boolean().nullish().describe("give the answer piece by piece, as server-sent events"),
  stream_options: z
    .object({
      include_usage: z.boolean().nullish().describe("end with one more event, which has usage and receipt"),
    })
    .nullish()
    .describe("of a stream"),
});

/** A check that refuses a field without the one by which alone it means something. */
export const needing =
  (field: string, other: string) =>
  (input: Readonly<Record<string, unknown>>, { addIssue }: z.RefinementCtx): void => {
    if (input[field] && !input[other])
      addIssue({ code: "custom", path: [field], message: `expected ${other}: true beside it` });
  };

type Fields = z.output<z.ZodObject<ReturnType<typeof generationShape>>>;

/** A request's fields as the library's options, of its `choice`th answer: seeds follow each other, so that answers differ. */
export function optionsOf(fields: Fields, maxTokens: number, choice: number): RunOptions {
  const { seed } = fields;
  return {
    maxTokens,
    ceiling: { flops: fields.max_flops ?? undefined },
    temperature: fields.temperature ?? 1,
    topP: fields.top_p ?? undefined,
    topK: Math.max(fields.top_k ?? 0, 0),
    minP: fields.min_p ?? undefined,
    frequencyPenalty: fields.frequency_penalty ?? undefined,
    presencePenalty: fields.presence_penalty ?? undefined,
    repetitionPenalty: fields.repetition_penalty ?? undefined,
    logitBias: fields.logit_bias ?? undefined,
    stop: fields.stop ?? undefined,
    format: formatOf(fields.response_format),
    seed: typeof seed === "number" && seed >= 0 ? (seed + choice) % Number.MAX_SAFE_INTEGER : undefined,
  };
}
