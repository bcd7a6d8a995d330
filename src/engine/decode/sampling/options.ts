import { z } from "zod";
import { flagHelp } from "../../../util/named-options.ts";

/**
 * Settings for choosing the next token from the logits. The steps run in this order, each on the result of the previous
 * one: repetition penalty → frequency and presence penalties → logit bias → temperature → top-k → top-p → min-p → one
 * draw. (Transformers, vLLM and the OpenAI API also put temperature before the filters; llama.cpp puts it after them.)
 *
 * The default is greedy (temperature 0), so that the same call gives the same answer; 0.7 with topP 0.9 is a common
 * choice for more varied text.
 */
export const samplingOptions = z.strictObject({
  temperature: z
    .number()
    .min(0)
    .default(0)
    .describe("0 takes the likeliest token; without a sampling option, run and chat use the model's own settings")
    .register(flagHelp, { common: true }),
  topK: z.int().min(0).default(0).describe("draw from the k likeliest tokens; 0 for all"),
  topP: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("draw from the fewest tokens whose probabilities reach p; 1 for all")
    .register(flagHelp, { common: true }),
  minP: z.number().min(0).max(1).default(0).describe("draw from tokens at least p times as likely as the likeliest"),
  repetitionPenalty: z
    .number()
    .positive()
    .default(1)
    .describe("divides positive and multiplies negative logits of recent tokens, including the prompt's; 1 is off"),
  repetitionWindow: z.int().min(1).default(64).describe("number of trailing tokens that count as recent"),
  frequencyPenalty: z
    .number()
    .min(-2)
    .max(2)
    .default(0)
    .describe("subtracted from a token's logit each time it is generated"),
  presencePenalty: z.number().min(-2).max(2).default(0).describe("subtracted from the logit of every generated token"),
  logitBias: z
    .record(z.string().regex(/^\d+$/, "expected a token id"), z.number().min(-100).max(100))
    .default({})
    .describe("added to logits by token id; ±100 forces or bans a token"),
  seed: z
    .int()
    .min(0)
    .optional()
    .describe("same seed, same tokens; without one, runs differ")
    .register(flagHelp, { common: true }),
  logprobs: z
    .int()
    .min(0)
    .max(20)
    .optional()
    .describe("report log-probabilities of the chosen token and the n likeliest"),
});

/** Options with defaults applied. */
export type SamplingOptions = z.output<typeof samplingOptions>;
/** Options as callers give them, all optional. */
export type SamplingInput = z.input<typeof samplingOptions>;
