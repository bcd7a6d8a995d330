import { z } from "zod";
import { lossNames } from "../../savings/auto/certificate.ts";
import { recipeName } from "../../savings/registered.ts";

const inside = (what: string) => ({ error: ({ input }: { input?: unknown }) => `expected ${what}, got ${input}` });

export const tuneOptions = z.strictObject({
  risk: z
    .number()
    .gt(0, inside("more than 0 and less than 1"))
    .lt(1, inside("more than 0 and less than 1"))
    .default(0.05)
    .describe("the expected loss allowed, in the loss's own unit"),
  confidence: z
    .number()
    .min(0.5, inside("at least 0.5 and less than 1"))
    .lt(1, inside("at least 0.5 and less than 1"))
    .default(0.95)
    .describe("the probability with which the bound holds"),
  loss: z
    .enum(lossNames)
    .optional()
    .describe(
      "harm, quality, agreement or nats (default for items with answers: harm at temperature 0, else quality; for others: nats)",
    ),
  cost: z.enum(["ms", "flops", "bytes"]).default("ms").describe("what to save: ms, flops or bytes"),
  name: recipeName.describe("the certificate's name, used as auto:NAME and MODEL@NAME"),
  maxTokens: z
    .int()
    .min(1)
    .optional()
    .describe("maximum tokens of an answer (default: the task's; for a file, twice a correct answer's, at least 128)"),
  temperature: z
    .number()
    .min(0)
    .optional()
    .describe("0 takes the likeliest token (default: the model's own sampling settings)"),
  seed: z.int().min(0).default(0).describe("same seed, same items"),
  limit: z.int().min(1).optional().describe("maximum items (default: all)"),
  budgetMinutes: z.number().positive().default(120).describe("maximum minutes until the test begins"),
});
export type TuneOptions = z.output<typeof tuneOptions>;
