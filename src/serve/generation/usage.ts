import { z } from "zod";
import { type Receipt, receiptSchema } from "../../ledger/receipt.ts";

export const usageSchema = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }),
});

/** The last fields of every answer. */
export const billedShape = { usage: usageSchema, receipt: receiptSchema };

/** OpenAI's count of a request's tokens: a prompt with `n` answers counts once. The receipt has what really ran. */
export function usageOf({ tokens }: Receipt, n = 1): z.output<typeof usageSchema> {
  const [prompt, cached] = [Math.round(tokens.prompt / n), Math.floor(tokens.cached / n)];
  return {
    prompt_tokens: prompt,
    completion_tokens: tokens.completion,
    total_tokens: prompt + tokens.completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}
