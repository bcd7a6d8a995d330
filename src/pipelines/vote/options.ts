import { z } from "zod";
import { choice, number } from "../../savings/option-schemas.ts";
import { checkedNamed } from "../../util/named-options.ts";

const draws = z.coerce
  .number("expected a whole number from 3 to 64")
  .int("expected a whole number from 3 to 64")
  .min(3, "expected at least 3, since of two answers the first always wins")
  .max(64, "expected at most 64");

/** Rules by which two answers count as equal. */
const comparisons = ["text", "number"] as const;

/** Options of a vote, written after the model's name. */
export const voteOptions = z.strictObject({
  n: draws.default(5).describe("maximum answers; the vote ends once no other answer can win"),
  temperature: number(0.7).describe("randomness of the answers' tokens"),
  by: choice(comparisons)
    .default("text")
    .describe("what counts as equal: the text, ignoring case, spaces and a final full stop, or its last number"),
});
export type VoteOptions = z.output<typeof voteOptions>;

/** @throws UserError that names the option */
export const checkVoteOptions = (values: unknown): VoteOptions => checkedNamed("vote", voteOptions, values);
