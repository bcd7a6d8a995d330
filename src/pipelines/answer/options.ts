import { z } from "zod";
import { rankers } from "../../retrieval/search.ts";
import { UserError } from "../../util/errors.ts";
import { checkedNamed } from "../../util/named-options.ts";
import { gateMethods } from "./gate/gate.ts";

export const retrievalModes = ["auto", "always", "never"] as const;

/** Maximum tokens read from one passage. */
export const MOST_PASSAGE_TOKENS = 200;

/** Options of an answer with optional retrieval. */
export const answerOptions = z.strictObject({
  retrieval: z
    .enum(retrievalModes)
    .default("auto")
    .describe("auto: search if the gate says so, and always if no gate is calibrated; always, never: without a gate"),
  gate: z
    .enum(gateMethods)
    .optional()
    .describe(`what auto decides by: ${gateMethods.join(", ")} (default: the model's calibrated gate)`),
  threshold: z.number().optional().describe("gate: the lowest score that triggers a search (default: calibrated)"),
  targetRate: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("gate: share of questions to search for, instead of a threshold"),
  passages: z.int().min(1).max(10).default(3).describe("passages to read"),
  maxContextTokens: z
    .int()
    .min(16)
    .default(3 * MOST_PASSAGE_TOKENS)
    .describe(`tokens of all passages together; each has ${MOST_PASSAGE_TOKENS} at most`),
  by: z.enum(rankers).optional().describe("the ranking: bm25, dense or hybrid (default: the index's)"),
});
export type AnswerOptions = z.output<typeof answerOptions>;
export type AnswerInput = z.input<typeof answerOptions>;

/** @throws UserError that names the option */
export function checkAnswerOptions(values: unknown): AnswerOptions {
  const options = checkedNamed("answer", answerOptions, values);
  const { retrieval, gate, threshold, targetRate } = options;
  const gated = Object.entries({ gate, threshold, targetRate }).find(([, value]) => value !== undefined);
  if (retrieval !== "auto" && gated)
    throw new UserError(`answer: ${gated[0]} needs retrieval=auto, got retrieval=${retrieval}`, 2);
  if (threshold !== undefined && targetRate !== undefined)
    throw new UserError("answer: expected a threshold or a targetRate, got both", 2);
  return options;
}
