import type { Metric } from "../metric.ts";
import { meanOfParts } from "./sums.ts";

/** Not after digits of the same number, nor its sign; a hyphen between words is none. */
const begins = "(?<!\\d|\\d\\.|\\d,(?=\\d{3}(?!\\d))|(?<![\\p{L}\\d])[-−])";
const ends = "(?!\\d|\\.\\d|,\\d{3}(?!\\d))";

/** Whether a text holds an answer, whatever its case, that is not a piece of a longer number or the other side of a minus. */
export const holds = (text: string, answer: string): boolean => placeOf(text, answer) >= 0;

/** Where a text holds an answer first; −1 where it does not. */
export function placeOf(text: string, answer: string): number {
  const escaped = answer.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const [before, after] = [/^\d/.test(answer) ? begins : "", /\d$/.test(answer) ? ends : ""];
  return text.search(new RegExp(before + escaped + after, "iu"));
}

export const containsAnswer: Metric<"generation"> = {
  name: "contains-answer",
  summary:
    "Share of texts that hold a reference answer, whatever the case; a number only whole (RULER: string_match_part)",
  better: "higher",
  part: ({ answers }, { text }) => [answers.some((answer) => holds(text, answer)) ? 1 : 0],
  quality: meanOfParts,
};

export const containsAll: Metric<"generation"> = {
  name: "contains-all",
  summary: "Share of the reference answers that a text holds, as contains-answer does (RULER: string_match_all)",
  better: "higher",
  part: ({ answers }, { text }) => [answers.filter((answer) => holds(text, answer)).length / answers.length],
  quality: meanOfParts,
};
