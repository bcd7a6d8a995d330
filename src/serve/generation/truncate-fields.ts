import { z } from "zod";
import type { Truncate } from "../../engine/truncate.ts";

/** Other servers' fields for texts longer than the model's limit; without these fields, such texts are refused. */
export const truncateShape = {
  truncate: z
    .union(
      [z.boolean(), z.enum(["END", "NONE"])],
      'expected true or "END", false or "NONE": texts are cut only at their end',
    )
    .nullish()
    .describe('true or "END": cut off the end of texts that are too long for the model; default false: refuse them'),
  truncate_prompt_tokens: z
    .union([z.literal(-1), z.int().min(1)], "expected -1, or at least 1 token")
    .nullish()
    .describe("cut texts to this many tokens, as in vLLM; -1: to the model's limit"),
  truncation: z.boolean().nullish().describe("the same as truncate"),
};
type Fields = z.output<z.ZodObject<typeof truncateShape>>;

export function truncateOf({ truncate, truncate_prompt_tokens: most, truncation }: Fields): Truncate {
  if (typeof most === "number") return most === -1 ? true : most;
  return truncate === true || truncate === "END" || ((truncate ?? undefined) === undefined && truncation === true);
}
