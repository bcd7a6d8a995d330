import { z } from "zod";
import { deciderKinds } from "../../../savings/depth/exits/deciders.ts";
import { headModes } from "../../../savings/depth/exits/heads.ts";

const count = z.int().min(1);

/** The number of the model's likeliest tokens to store at each position: enough for the widest relaxed label. */
export const TEACHER_TOP = 10;

/** Savings whose exits can be trained. */
export const trainedSavings = ["dynamax", "sec"] as const;

/** The options for training exits, from which flags and docs are generated. */
export const exitTrainOptions = z.strictObject({
  from: count.optional().describe("layers before the first exit (default: half of the layers)"),
  every: count.default(4).describe("layers from one exit to the next"),
  head: z
    .enum(headModes)
    .default("norm")
    .describe(`the head at an exit: ${headModes.join(", ")}`),
  vocabulary: count
    .min(2)
    .optional()
    .describe("exits choose among this many of the texts' most frequent tokens (default: all tokens)"),
  rank: count.default(64).describe("head=adapter: inner width"),
  targets: z
    .enum(["model", "text"])
    .optional()
    .describe("what heads learn: the whole model's choice (dynamax's default), or the text's next token (sec's)"),
  decider: z
    .array(z.enum(deciderKinds))
    .min(1)
    .optional()
    .describe("classifiers to train: linear, ffn, mamba, controller (default: linear for dynamax, controller for sec)"),
  topK: count
    .max(TEACHER_TOP)
    .default(1)
    .describe(
      "for linear, ffn and mamba: a token may exit if the exit's choice is among this many of the model's top tokens",
    ),
  weightOrder: z
    .enum(["earliest-heavy", "latest-heavy"])
    .default("earliest-heavy")
    .describe("for linear, ffn and mamba: which exits weigh most in the loss"),
  labels: z
    .enum(["true", "shuffled"])
    .default("true")
    .describe("shuffled: train deciders on shuffled labels, as a control"),
  tokens: count.default(100_000).describe("maximum number of tokens to take from the data"),
  block: z
    .int()
    .min(16)
    .max(4096)
    .default(256)
    .describe("tokens per row of the text; each row starts from an empty cache"),
  headEpochs: z.number().positive().default(1).describe("epochs over the tokens for heads"),
  headRate: z.number().positive().default(4e-3).describe("peak learning rate of heads"),
  deciderEpochs: z.number().positive().default(4).describe("epochs over the tokens for classifiers"),
  deciderRate: z.number().positive().default(1e-3).describe("peak learning rate of classifiers"),
  seed: z.int().min(0).default(0).describe("seed for the data's order and random weights"),
});
export type ExitTrainOptions = z.output<typeof exitTrainOptions>;
