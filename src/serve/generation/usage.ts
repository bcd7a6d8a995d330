import { z } from "zod";
import { type Receipt, receiptSchema } from "../../ledger/receipt.ts";

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
  completion_tokens_details: z
    .object({ reasoning_tokens: z.int().describe("tokens of the plan, which completion_tokens include") })
    .optional()
    .describe("of a planner with an executor"),
});

/** The last fields of every answer. */
export const billedShape = { usage: usageSchema, receipt: receiptSchema };

/** OpenAI's count of a request's tokens: a prompt with `n` answers counts once. The receipt has what really ran. `planned` are the tokens of a plan. */
export function usageOf({ tokens }: Receipt, n = 1, planned?: number): z.output<typeof usageSchema> {
  const [prompt, cached] = [Math.round(tokens.prompt / n), Math.floor(tokens.cached / n)];
  const completion = tokens.completion + (planned ?? 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    ...(planned !== undefined && { completion_tokens_details: { reasoning_tokens: planned } }),
  };
}
