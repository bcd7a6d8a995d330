import type { Metric } from "../metric.ts";
import { ofSums } from "./sums.ts";

export const perplexity: Metric<"text"> = {
  name: "perplexity",
  summary: "exp of the mean negative log-likelihood per token, over the tokens of all texts",
  better: "lower",
  part: (_item, { logLikelihood, tokens }) => [-logLikelihood, tokens],
  quality: ofSums(([nats, tokens]) => Math.exp(nats! / tokens!)),
};

export const bitsPerByte: Metric<"text"> = {
  name: "bits-per-byte",
  summary: "Negative log2-likelihood of all texts per UTF-8 byte; independent of the tokenizer",
  better: "lower",
  part: ({ text }, { logLikelihood }) => [-logLikelihood, Buffer.byteLength(text)],
  quality: ofSums(([nats, bytes]) => nats! / bytes! / Math.LN2),
};
