import type { Metric } from "../metric.ts";
import { meanOfParts, ofSums } from "./sums.ts";

export const greedyMatch: Metric<"continuation"> = {
  name: "greedy-match",
  summary: "Share of continuations that greedy decoding produces token by token (lm-evaluation-harness: LAMBADA's acc)",
  better: "higher",
  part: (_item, { greedy }) => [greedy ? 1 : 0],
  quality: meanOfParts,
};

export const perplexityOfContinuation: Metric<"continuation"> = {
  name: "perplexity-of-continuation",
  summary:
    "exp of the mean negative log-likelihood of a continuation as a whole (lm-evaluation-harness: LAMBADA's perplexity)",
  better: "lower",
  part: (_item, { logLikelihood }) => [-logLikelihood, 1],
  quality: ofSums(([nats, items]) => Math.exp(nats! / items!)),
};

export const natsPerToken: Metric<"continuation"> = {
  name: "nats-per-token",
  summary:
    "Mean negative log-likelihood per token, in nats, over the tokens of all continuations: the logarithm of their perplexity",
  better: "lower",
  part: (_item, { logLikelihood, tokens }) => [-logLikelihood, tokens],
  quality: ofSums(([nats, tokens]) => nats! / tokens!),
};
