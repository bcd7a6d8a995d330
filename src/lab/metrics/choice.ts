import type { AnswerOf, ItemOf } from "../item.ts";
import type { Metric } from "../metric.ts";
import { argmax, meanOfParts } from "./sums.ts";

/** The length of a choice for the normalised score: its characters (code points), without the leading space. */
export const characters = (continuation: string) => [...continuation.trimStart()].length;

type Likelihoods = AnswerOf["choice"]["likelihoods"];

const choiceMetric = (
  name: string,
  summary: string,
  score: (likelihoods: Likelihoods, item: ItemOf<"choice">) => number[],
): Metric<"choice"> => ({
  name,
  summary,
  better: "higher",
  part: (item, { likelihoods }) => [argmax(score(likelihoods, item)) === item.gold ? 1 : 0],
  quality: meanOfParts,
});

export const accuracy = choiceMetric(
  "accuracy",
  "Share of items where the correct choice has the greatest log-likelihood (lm-evaluation-harness: acc)",
  (likelihoods) => likelihoods.map((l) => l.logLikelihood),
);

export const accuracyNormalised = choiceMetric(
  "accuracy-normalised",
  "Share of items where the correct choice has the greatest log-likelihood per character (lm-evaluation-harness: acc_norm)",
  (likelihoods, { choices }) => likelihoods.map((l, i) => l.logLikelihood / characters(choices[i]!.continuation)),
);
