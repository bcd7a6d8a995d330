import { z } from "zod";
import { BATCH_ROWS } from "../../engine/decode/run/batch.ts";
import { flagHelp } from "../../util/named-options.ts";
import { truncations } from "../answer/index.ts";

export const runOptions = z.strictObject({
  limit: z
    .int()
    .min(1)
    .optional()
    .describe("maximum number of items per task (default: all)")
    .register(flagHelp, { common: true }),
  seed: z.int().min(0).default(0).describe("same seed, same items and intervals"),
  rows: z
    .int()
    .min(1)
    .max(BATCH_ROWS)
    .default(1)
    .describe("number of answers to generate together; above 1, near ties may resolve differently"),
  raw: z.boolean().default(false).describe("send a file's prompts without the model's chat template"),
  truncate: z
    .enum(truncations)
    .optional()
    .describe("left|middle: where to cut prompts longer than the context (default: skip and count them)"),
});

export type RunOptions = z.output<typeof runOptions>;
