import { z } from "zod";
import { saysHowToDraw } from "../../engine/decode/sampling/defaults.ts";
import type { RunOptions } from "../../index.ts";

const MOST_BIASES = 4096;
const isShort = (value: unknown): boolean =>
  typeof value !== "object" || value === null || Object.keys(value).length <= MOST_BIASES;
/** Biases are counted before they are checked, since zod stores an issue for each. */
const biases = z.preprocess(
  (value) => (isShort(value) ? value : undefined),
  z.record(
    z.string().regex(/^\d+$/, "expected a token's id"),
    z.number().min(-100).max(100),
    `expected at most ${MOST_BIASES} numbers by token id`,
  ),
);

const SEEDS = "expected a whole number of at most 64 bits";

/** Sampling fields: OpenAI's, and vLLM's if OpenAI has none. */
export const samplingShape = {
  temperature: z
    .number()
    .min(0)
    .max(2)
    .nullish()
    .describe(
      "0 takes the likeliest token; default 1, as in OpenAI's API; a chat without a sampling field uses the model's own settings",
    ),
  top_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("draw from the fewest tokens whose probabilities add up to this; default 1: all"),
  top_k: z.int().min(-1).nullish().describe("draw from this many of the likeliest tokens; default 0: all, like -1"),
  min_p: z
    .number()
    .min(0)
    .max(1)
    .nullish()
    .describe("draw from tokens with at least this share of the likeliest token's probability; default 0: all"),
  frequency_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe("subtracted from a token's logit each time it is generated; default 0"),
  presence_penalty: z
    .number()
    .min(-2)
    .max(2)
    .nullish()
    .describe("subtracted from the logit of every generated token; default 0"),
  repetition_penalty: z
    .number()
    .min(0.1)
    .max(10)
    .nullish()
    .describe(
      "divides positive and multiplies negative logits of the last 64 tokens, including the prompt's; default 1: off",
    ),
  repetition_detection: z
    .boolean()
    .nullish()
    .describe("end an answer that repeats itself, with finish_reason repetition; default true"),
  logit_bias: biases.nullish().describe("added to logits by token id; ±100 forces or bans a token"),
  seed: z
    .number(SEEDS)
    .refine((seed) => Number.isInteger(seed) && -(2 ** 63) <= seed && seed <= 2 ** 64, SEEDS)
    .meta({ type: "integer" })
    .nullish()
    .describe(
      "same seed, same answers; each of n answers takes the next seed; with 8-bit weights, answers can differ if the start of the prompt is cached, unless deterministic; default random, like -1",
    ),
  deterministic: z
    .boolean()
    .nullish()
    .describe(
      "true: tokens and log-probabilities depend neither on other requests nor on the cache; default false, which is faster if the prompt is cached",
    ),
};
type Fields = z.output<z.ZodObject<typeof samplingShape>>;

/** Converts the fields to the library's options for the `choice`th answer; each answer's seed is one higher. */
export const samplingOf = ({ seed, ...fields }: Fields, choice: number): RunOptions => ({
  ...drawingOf(fields),
  temperature: fields.temperature ?? 1,
  repetitionDetection: fields.repetition_detection ?? undefined,
  logitBias: fields.logit_bias ?? undefined,
  deterministic: fields.deterministic ?? undefined,
  seed: typeof seed === "number" && seed !== -1 ? (folded(seed) + choice) % Number.MAX_SAFE_INTEGER : undefined,
});

const MOST_BITS = 53;

/** Reduces a seed to the engine's 53 bits; the sign and the upper bits are folded in, so that they matter. */
function folded(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  const bits = BigInt.asUintN(64, BigInt(seed));
  return Number(BigInt.asUintN(MOST_BITS, bits ^ (bits >> BigInt(MOST_BITS))));
}

/** A chat without sampling fields uses the model's own sampling settings. */
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
