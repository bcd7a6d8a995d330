/** Compares scores with QZero's own code, with the same word vectors. */
import { expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../util/authors.testing.ts";
import { classified } from "./classify.testing.ts";
import { StaticScorer } from "./static.ts";
import { smallVectors } from "./vectors.testing.ts";

interface LabelScores {
  best: string;
  scores: Record<string, number>;
}
interface Fixture {
  words: number;
  width: number;
  /** Known words, and each label's sum of cosines with these words. */
  keywords: (LabelScores & { words: string[] })[];
  /** Texts, and each label's cosine times the number of the text's known words. */
  texts: (LabelScores & { text: string; known: number })[];
}
const { repository, words, width, keywords, texts } = authorsFixture<Fixture>("authors.json", import.meta.url);

const nameOf = (i: number) => `zx${String.fromCharCode(97 + Math.floor(i / 26), 97 + (i % 26))}`;
const all = numbers(61, words * width);
const vectors = Object.fromEntries(
  Array.from({ length: words }, (_, i) => [nameOf(i), [...all.subarray(i * width, (i + 1) * width)]]),
);
const scorer = new StaticScorer("authors", smallVectors(vectors));

test.each(keywords)(`counted keywords as in ${repository}: $best`, async ({ words: counts, best, scores }) => {
  const labels = Object.keys(scores);
  const options = { when: "always", mode: "replace", keywords: "content" } as const;
  const { results } = await classified(scorer, { text: counts }, options, { labels });
  const own = results[0]!;
  expect(own.label).toBe(best);
  expect(
    farthest(
      labels.map((label) => own.scores[label]!),
      Object.values(scores),
    ),
  ).toBeLessThanOrEqual(1e-5);
});

test.each(texts)(`a text alone as in ${repository}: $best`, async ({ text, known, best, scores }) => {
  const labels = Object.keys(scores);
  const { results } = await classified(scorer, { [text]: [] }, { when: "always", mode: "replace" }, { labels });
  const own = results[0]!;
  expect(own.label).toBe(best);
  expect(
    farthest(
      labels.map((label) => own.scores[label]! * known),
      Object.values(scores),
    ),
  ).toBeLessThanOrEqual(1e-5);
});
