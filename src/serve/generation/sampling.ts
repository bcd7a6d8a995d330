import { z } from "zod";
import { saysHowToDraw } from "../../engine/sampling/defaults.ts";
import type { RunOptions } from "../../index.ts";

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

/** Sampling fields: OpenAI's, and vLLM's where OpenAI has none. */
export const samplingShape = {
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullish()
    .describe(
      "0 takes the likeliest token; where it is not said, 1, as OpenAI has it, but a chat that says no other field of sampling either is drawn by the model's own settings",
    ),
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
};
type Fields = z.output<z.ZodObject<typeof samplingShape>>;

/** The fields as the library's options, of the `choice`th answer: seeds follow each other, so that answers differ. */
export const samplingOf = ({ seed, ...fields }: Fields, choice: number): RunOptions => ({
  ...drawingOf(fields),
  temperature: fields.temperature ?? 1,
  logitBias: fields.logit_bias ?? undefined,
  seed: typeof seed === "number" && seed >= 0 ? (seed + choice) % Number.MAX_SAFE_INTEGER : undefined,
});

/** For a chat, the model's own settings apply if no field says how tokens are drawn. */
export const chatSamplingOf = (fields: Fields): RunOptions => ({ modelSampling: !saysHowToDraw(drawingOf(fields)) });

const drawingOf = (fields: Omit<Fields, "seed">): RunOptions => ({
  temperature: fields.temperature ?? undefined,
  topP: fields.top_p ?? undefined,
  topK: typeof fields.top_k === "number" ? Math.max(fields.top_k, 0) : undefined,
  minP: fields.min_p ?? undefined,
  frequencyPenalty: fields.frequency_penalty ?? undefined,
  presencePenalty: fields.presence_penalty ?? undefined,
  repetitionPenalty: fields.repetition_penalty ?? undefined,
});
