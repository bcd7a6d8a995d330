import { z } from "zod";
import { BATCH_ROWS } from "../../engine/run/batch.ts";
import { truncations } from "../answer/index.ts";

export const runOptions = z.strictObject({
  limit: z.int().min(1).optional().describe("most items of each task; all where it is not given"),
  seed: z.int().min(0).default(0).describe("same seed, same items and intervals"),
  rows: z
    .int()
    .min(1)
    .max(BATCH_ROWS)
    .default(1)
    .describe("answers that a language model generates together; from 2 on near ties may fall otherwise than alone"),
  truncate: z
    .enum(truncations)
    .optional()
    .describe("left|middle: cut prompts that are longer than the context there; else they are counted and left out"),
});

export type RunOptions = z.output<typeof runOptions>;
