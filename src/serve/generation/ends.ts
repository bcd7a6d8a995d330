import { z } from "zod";
import { budget } from "../../savings/auto/guarantee.ts";
import { listOf } from "../../util/list-of.ts";
import { type Limits, LONGEST_STOP, MOST_STOPS } from "../limits.ts";

const stops = z
  .union(
    [
      z
        .string()
        .min(1)
        .max(LONGEST_STOP)
        .transform((text) => [text]),
      listOf(z.string().min(1).max(LONGEST_STOP), { of: "texts", max: MOST_STOPS }),
    ],
    `expected a text, or at most ${MOST_STOPS} texts, of 1 to ${LONGEST_STOP} characters`,
  )
  .nullish()
  .describe("texts that end the answer and are left out of it");

const tokens = (least: number) => z.int().min(least).nullish();

/** The fields that limit an answer's length, which must be at least `least` tokens. */
export const endsShape = ({ maxTokens }: Limits, least = 1) => ({
  max_tokens: tokens(least).describe(
    `maximum tokens of each answer, up to ${maxTokens}; default ${maxTokens} for a chat, 16 for a completion, or a certificate's limit if lower`,
  ),
  max_completion_tokens: tokens(least).describe("maximum tokens of each answer, instead of max_tokens"),
  max_flops: z
    .number()
    .positive()
    .nullish()
    .describe(
      "maximum FLOPs of all answers together, exceeded by at most one step; answers end there, as with max_tokens",
    ),
  budget: budget
    .nullish()
    .describe(
      "maximum cost of an answer under auto:NAME: picks the affordable certified recipe with the least loss, or else the cheapest",
    ),
  stop: stops,
});

type LimitFields = Pick<z.output<z.ZodObject<ReturnType<typeof endsShape>>>, "max_tokens" | "max_completion_tokens">;

/** An answer's token limit: the request's own, or `usual`, the default. */
export const limitOf = ({ max_completion_tokens: more, max_tokens: most }: LimitFields, usual: number) => ({
  maxTokens: more ?? most ?? usual,
  defaultLength: (more ?? most ?? undefined) === undefined,
});
