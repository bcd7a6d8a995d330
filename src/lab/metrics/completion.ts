/** Metrics of source code completions (arXiv 2401.09964): over token ids, lines, and the model's work. */
import type { AnswerOf, GenerationItem } from "../item.ts";
import type { Metric, Part } from "../metric.ts";
import { bleuOf, statistics } from "./bleu.ts";
import { editSimilarityOf } from "./edit.ts";
import { rougeLOfList } from "./rouge.ts";
import { meanOfParts, ofSums } from "./sums.ts";

type Answer = AnswerOf["generation"];

const mean = (
  name: string,
  summary: string,
  better: Metric<"generation">["better"],
  value: (item: GenerationItem, answer: Answer) => number,
): Metric<"generation"> => ({
  ...{ name, summary, better, quality: meanOfParts },
  part: (item, answer) => [value(item, answer)],
});

/** Token ids as words for ROUGE. The answerer has already removed the end token. */
const wordsOf = (ids: readonly number[] = []): string[] => ids.map(String);

export const rougeLOfTokens = mean(
  "rouge-l-tokens",
  "F-measure of the longest common subsequence of the completion's and the reference's token ids (rouge-score: rougeL, ids as words)",
  "higher",
  ({ answerTokens = [] }, { tokens = [] }) => rougeLOfList(tokens, answerTokens),
);

export const bleuOfTokens: Metric<"generation"> = {
  name: "bleu-tokens",
  summary: "BLEU of all completions as one corpus, up to 4-grams of token ids, in [0, 1] (sacrebleu's smoothing exp)",
  better: "higher",
  part: ({ answerTokens }, { tokens }) => statistics(wordsOf(tokens), [wordsOf(answerTokens)]),
  quality: ofSums(bleuOf),
};

/** A text up to the end of its first non-blank line. */
const firstLine = (text: string): string => /^\s*\S.*/.exec(text)?.[0].trimEnd() ?? "";

const isExact = (text: string, reference: string): boolean => firstLine(text) === firstLine(reference);

/** The minimum similarity of first lines at which a completion counts as accepted. */
const LIKE = 0.8;

const isAccepted = (text: string, reference: string): boolean =>
  isExact(text, reference) || editSimilarityOf(text, reference) >= LIKE;

export const exactLine = mean(
  "exact-line",
  "Share of completions whose first non-blank line equals the reference's, ignoring trailing white space",
  "higher",
  ({ answers }, { text }) => Number(isExact(text, answers[0]!)),
);

export const acceptedProxy = mean(
  "accepted-proxy",
  "A proxy for what people accept: share of completions with the reference's first line, or an edit similarity of at least 0.8",
  "higher",
  ({ answers }, { text }) => Number(isAccepted(text, answers[0]!)),
);

/** Compares a completion that stopped early with an equally long prefix of the reference. */
function shownPart({ answers }: GenerationItem, answer: Answer): Part {
  const { text } = answer;
  if (text.trim() === "") return [0, 0];
  const reference = answer.stopped ? answers[0]!.slice(0, text.length) : answers[0]!;
  return [Number(isAccepted(text, reference)), 1];
}

export const shownAcceptedProxy: Metric<"generation"> = {
  name: "shown-accepted-proxy",
  summary: "accepted-proxy among non-empty completions; early-stopped ones are compared with the reference's start",
  better: "higher",
  part: shownPart,
  quality: ofSums(([accepted, shown]) => (shown === 0 ? 0 : accepted! / shown!)),
};

export const length = mean(
  "length",
  "Mean number of tokens in a completion",
  "higher",
  (_item, { tokens = [] }) => tokens.length,
);

export const layersPerToken = mean(
  "layers",
  "Layers per token, averaged within each completion, then over all completions",
  "lower",
  (_item, { layers = Number.NaN }) => layers,
);

export const stopped = mean("stopped", "Share of completions that the recipe ended early", "lower", (_item, answer) =>
  Number(answer.stopped === true),
);
