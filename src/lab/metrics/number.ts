import type { Metric } from "../metric.ts";
import { meanOfParts } from "./sums.ts";

/**
 * The last number of a text, without `$` and thousands separators; `−` counts as a minus sign. Undefined if the text
 * has no number.
 */
export function lastNumber(text: string): number | undefined {
  const last = text
    .replaceAll("−", "-")
    .match(/-?\$?\d[\d,]*(?:\.\d+)?|-?\$?\.\d+/g)
    ?.at(-1);
  return last === undefined ? undefined : Number(last.replace(/[$,]/g, ""));
}

// The harness compares digits as written: 18.00 is not 18, and a final ellipsis counts as the last number. GSM8K's
// answers are whole numbers.
export const numberMatch: Metric<"generation"> = {
  name: "number-match",
  summary:
    "Share of answers whose last number is a reference's last number (lm-evaluation-harness: GSM8K's flexible-extract)",
  better: "higher",
  scale: "binary",
  part({ answers }, { text }) {
    const number = lastNumber(text);
    return [number !== undefined && answers.some((answer) => lastNumber(answer) === number) ? 1 : 0];
  },
  quality: meanOfParts,
};
