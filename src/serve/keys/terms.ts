import { z } from "zod";
import { parseStep } from "../../savings/recipe.ts";
import { registeredAs } from "../../savings/registered.ts";

/** The terms of a key. An absent limit does not apply. */
export const termsSchema = z.strictObject({
  recipe: z
    .array(z.string())
    .default([])
    .describe("savings for requests without any: a saving, or a registered recipe (smollm2@fast)"),
  maxFlops: z
    .number()
    .positive()
    .optional()
    .describe("maximum FLOPs per request: answers end there; other requests that cost more are refused"),
  maxTokens: z.int().min(1).optional().describe("maximum tokens per answer"),
  index: z.array(z.string()).optional().describe("an index that the key may search (default: all)"),
  audit: z.boolean().default(true).describe("allow audits of its answers under certificates"),
  requestsPerMinute: z.number().positive().optional().describe("maximum requests per minute; more are refused"),
  tokensPerMinute: z
    .number()
    .positive()
    .optional()
    .describe("maximum computed tokens per minute, in prompts and answers; more are refused"),
});

export type Terms = z.output<typeof termsSchema>;

/** The lowest of the ceilings. */
export function leastOf(...ceilings: readonly (number | null | undefined)[]): number | undefined {
  const limits = ceilings.filter((most) => typeof most === "number");
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

export const isRegisteredName = (text: string): boolean => /^[^:]*@/.test(text);

/** @throws UserError if the terms' recipe does not exist */
export async function checkRecipe({ recipe }: { readonly recipe: readonly string[] }): Promise<void> {
  for (const text of recipe) {
    if (isRegisteredName(text)) await registeredAs(text);
    else if (text !== "dense") parseStep(text);
  }
}
