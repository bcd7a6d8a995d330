import { z } from "zod";
import { type Receipt, receiptSchema } from "../../ledger/receipt.ts";

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z
    .object({
      reasoning_tokens: z.int().describe("tokens of reasoning or of the plan, included in completion_tokens"),
    })
    .optional()
    .describe("for models whose chat template marks reasoning, and for PLANNER+EXECUTOR"),
});

/** The last fields of every answer. */
export const billedShape = { usage: usageSchema, receipt: receiptSchema };

/**
 * Tokens outside the answers' text. The receipt already counts reasoning tokens; plan tokens must be added.
 */
export interface AsideTokens {
  readonly plan?: number | undefined;
  readonly reasoning?: number | undefined;
}

/** Counts a request's tokens as OpenAI does: a prompt with `n` answers counts once. The receipt counts what ran. */
export function usageOf(
  { tokens }: Receipt,
  n = 1,
  { plan, reasoning }: AsideTokens = {},
): z.output<typeof usageSchema> {
  const [prompt, cached] = [Math.round(tokens.prompt / n), Math.floor(tokens.cached / n)];
  const completion = tokens.completion + (plan ?? 0);
  const aside = plan === undefined ? reasoning : plan + (reasoning ?? 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    ...(aside !== undefined && { completion_tokens_details: { reasoning_tokens: aside } }),
  };
}
