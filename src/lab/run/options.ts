import { z } from "zod";
import { BATCH_ROWS } from "../../engine/decode/run/batch.ts";
import { truncations } from "../answer/index.ts";

export const runOptions = z.strictObject({
  limit: z.int().min(1).optional().describe("maximum items of each task (default: all)"),
  seed: z.int().min(0).default(0).describe("same seed, same items and intervals"),
  rows: z
    .int()
    .min(1)
    .max(BATCH_ROWS)
    .default(1)
    .describe("answers to generate at the same time; from 2 on, near ties may resolve differently"),
  raw: z
    .boolean()
    .default(false)
    .describe("ask the prompts of a file of your own as plain text, without the model's chat template"),
  truncate: z
    .enum(truncations)
    .optional()
    .describe("left|middle: where to cut prompts longer than the context (default: leave them out and count them)"),
});

export type RunOptions = z.output<typeof runOptions>;
