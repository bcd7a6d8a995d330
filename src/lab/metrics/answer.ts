import type { Metric } from "../metric.ts";
import { lastNumber } from "./number.ts";
import { withoutArticles } from "./squad.ts";
import { best, meanOfParts } from "./sums.ts";

const number = /^[-+−]?\$?(?:\d[\d,]*(?:\.\d+)?|\.\d+)$/;

/** Characters around a word that do not change the word: quotes, brackets, sentence punctuation. */
const around = /(?<!\S)["'`([{“‘]+|["'`)\]}.,;:!?”’]+(?!\S)/g;

/**
 * A text reduced to its words: lower case, single spaces, without articles and surrounding marks. Signs, symbols and
 * marks inside a word remain: `-4`, `1.5`, `c++`. A text that consists of an article or such marks is unchanged.
 */
function normalised(text: string): string {
  const words = text.toLowerCase().replace(around, "").trim().split(/\s+/).join(" ");
  return withoutArticles(words) || words || text.trim();
}

const isMatch = (text: string, answer: string): boolean =>
  number.test(answer.trim()) ? lastNumber(text) === lastNumber(answer) : normalised(text) === normalised(answer);

export const answerMatch: Metric<"generation"> = {
  name: "answer-match",
  summary:
    "Share of answers that match a reference: a number must equal the answer's last number, a text the whole answer, ignoring case, articles and marks around words",
  better: "higher",
  scale: "binary",
  part: ({ answers }, { text }) => [best(answers, (answer) => (isMatch(text, answer) ? 1 : 0))],
  quality: meanOfParts,
};
