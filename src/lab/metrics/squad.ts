import type { Metric } from "../metric.ts";
import { best, meanOfParts } from "./sums.ts";

/** The characters in Python's string.punctuation. */
const punctuation = /[!-/:-@[-`{-~]/g;

/** Normalises like SQuAD's evaluation v1.1: lower case, no punctuation, no articles, single spaces. */
export const normalised = (text: string): string => withoutArticles(text.toLowerCase().replace(punctuation, ""));

/** An article as a whole word; Python's \b counts letters and digits of all scripts. */
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** A text in lower case, with single spaces between words. */
export const withoutArticles = (text: string): string => text.replace(articles, " ").trim().split(/\s+/).join(" ");

/** The number of tokens that two lists share, counted with multiplicity. */
function shared(a: readonly string[], b: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const token of a) counts.set(token, (counts.get(token) ?? 0) + 1);
  let count = 0;
  for (const token of b) {
    const n = counts.get(token) ?? 0;
    if (n > 0) count++;
    counts.set(token, n - 1);
  }
  return count;
}

/** Harmonic mean of precision and recall of normalised words, in [0, 1]. */
function wordF1(text: string, answer: string): number {
  const [a, b] = [normalised(text).split(" "), normalised(answer).split(" ")];
  return (2 * shared(a, b)) / (a.length + b.length);
}

/** True if a text contains an answer as whole words, both normalised. */
export function holdsWords(text: string, answer: string): boolean {
  const words = normalised(answer);
  return words !== "" && ` ${normalised(text)} `.includes(` ${words} `);
}

const squad = (
  name: string,
  summary: string,
  scale: "binary" | "unit",
  score: (text: string, answer: string) => number,
): Metric<"generation"> => ({
  name,
  summary,
  better: "higher",
  scale,
  part: ({ answers }, { text }) => [best(answers, (answer) => score(text, answer))],
  quality: meanOfParts,
});

export const exactMatch = squad(
  "exact-match",
  "Share of answers equal to a reference, both normalised as in SQuAD's evaluation v1.1",
  "binary",
  (text, answer) => (normalised(text) === normalised(answer) ? 1 : 0),
);

export const tokenF1 = squad(
  "token-f1",
  "F1 of the words that an answer shares with the nearest reference, normalised as in SQuAD's evaluation v1.1",
  "unit",
  wordF1,
);
