import type { RouteOptions } from "../pipelines/route/name.ts";
import { type ScoreOptions, scoreOptions } from "../pipelines/route/scores.ts";
import { UserError } from "../util/errors.ts";
import type { Model } from "./model.ts";

/** The way to score that a route's options ask for. @throws UserError for a label that is not one token of Swift's */
export const scoringOf = (
  { score, temperature, aggregate, seed, labels }: Omit<RouteOptions, "auto">,
  swift: Model,
): ScoreOptions =>
  scoreOptions.parse({
    score,
    temperature,
    aggregate,
    seed,
    ...(labels && { labelTokens: labelTokens(swift, labels) }),
  });

/** @throws UserError for a label that is not one token */
function labelTokens({ language: { tokenizer }, name }: Model, labels: readonly string[]): number[] {
  return labels.map((label) => {
    const ids = tokenizer.encode(label);
    if (ids.length === 1) return ids[0]!;
    throw new UserError(`label ${JSON.stringify(label)} is ${ids.length} tokens of ${name}, expected one`, 2);
  });
}
