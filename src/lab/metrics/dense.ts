import type { Metric } from "../metric.ts";
import { rougeLOf } from "./rouge.ts";
import { meanOfParts } from "./sums.ts";

const withDense = (
  name: string,
  summary: string,
  score: (text: string, dense: string) => number,
): Metric<"generation"> => ({
  name,
  summary,
  better: "higher",
  part: (_item, { text }, dense) => [score(text, dense.text)],
  quality: meanOfParts,
});

/** Length of two texts' common prefix in characters (code points), over the longer text's length; 1 for two empty texts. */
function prefixShare(a: string, b: string): number {
  const [x, y] = [[...a], [...b]];
  const longer = Math.max(x.length, y.length);
  const differ = x.findIndex((character, i) => character !== y[i]);
  return longer === 0 ? 1 : (differ < 0 ? x.length : differ) / longer;
}

export const agreement = withDense(
  "agreement",
  "Share of texts that equal the dense run's, character by character",
  (text, dense) => (text === dense ? 1 : 0),
);

export const commonPrefix = withDense(
  "common-prefix",
  "Length of the longest common prefix with the dense run's text, divided by the longer text's length",
  prefixShare,
);

export const rougeLWithDense = withDense(
  "rouge-l-with-dense",
  "ROUGE-L's F-measure against the dense run's text (rouge-score: rougeL, no stemming); 1 for equal texts",
  (text, dense) => (text === dense ? 1 : rougeLOf(text, dense)),
);
