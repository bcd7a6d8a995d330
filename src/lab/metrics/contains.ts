import type { Metric } from "../metric.ts";
import { meanOfParts } from "./sums.ts";

/** Rejects a match after a number's earlier digits or its minus sign; a hyphen between words is not a minus sign. */
const begins = "(?<!\\d|\\d\\.|\\d,(?=\\d{3}(?!\\d))|(?<![\\p{L}\\d])[-−])";
const ends = "(?!\\d|\\.\\d|,\\d{3}(?!\\d))";

/**
 * True if a text contains an answer, ignoring case, and the match is not part of a longer number or of a negative one.
 */
export const holds = (text: string, answer: string): boolean => placeOf(text, answer) >= 0;

/** The index of an answer's first match in a text; −1 without a match. */
export function placeOf(text: string, answer: string): number {
  const escaped = answer.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const [before, after] = [/^\d/.test(answer) ? begins : "", /\d$/.test(answer) ? ends : ""];
  return text.search(new RegExp(before + escaped + after, "iu"));
}

export const containsAnswer: Metric<"generation"> = {
  name: "contains-answer",
  summary:
    "Share of texts that contain a reference answer, ignoring case; numbers match only as a whole (RULER: string_match_part)",
  better: "higher",
  scale: "binary",
  part: ({ answers }, { text }) => [answers.some((answer) => holds(text, answer)) ? 1 : 0],
  quality: meanOfParts,
};

export const containsAll: Metric<"generation"> = {
  name: "contains-all",
  summary:
    "Share of the reference answers that a text contains, matched as in contains-answer (RULER: string_match_all)",
  better: "higher",
  scale: "unit",
  part: ({ answers }, { text }) => [answers.filter((answer) => holds(text, answer)).length / answers.length],
  quality: meanOfParts,
};
