import type { Metric, Part } from "../metric.ts";

/** Scores for one label, in ascending order; for each text, whether it has the label, and its item's index. */
interface LabelRanking {
  readonly scores: Float64Array;
  readonly positive: Uint8Array;
  readonly places: Uint32Array;
}

/**
 * Area under the ROC curve: the probability that a positive scores above a negative, ties counting half. NaN if one
 * class is missing.
 */
function areaUnder({ scores, positive, places }: LabelRanking, times: Uint32Array): number {
  let [positives, negatives, above] = [0, 0, 0];
  for (let i = 0; i < scores.length; ) {
    const [held, below, score] = [positives, negatives, scores[i]!];
    for (; i < scores.length && scores[i] === score; i++)
      if (positive[i]) positives += times[places[i]!]!;
      else negatives += times[places[i]!]!;
    above += (positives - held) * (below + (negatives - below) / 2);
  }
  return above / (positives * negatives);
}

function ranked(parts: readonly Part[], label: number): LabelRanking {
  const score = (place: number) => parts[place]![label + 1]!;
  const places = Uint32Array.from(parts.keys()).sort((a, b) => score(a) - score(b));
  const positive = Uint8Array.from(places, (place) => (parts[place]![0] === label ? 1 : 0));
  return { scores: Float64Array.from(places, score), positive, places };
}

/** The mean over labels that some texts have and others lack. */
function macro(parts: readonly Part[]): (times: Uint32Array) => number {
  const labels = Array.from({ length: (parts[0]?.length ?? 1) - 1 }, (_, label) => ranked(parts, label));
  return (times) => {
    const areas = labels.map((label) => areaUnder(label, times)).filter((area) => !Number.isNaN(area));
    return areas.reduce((sum, area) => sum + area, 0) / areas.length;
  };
}

export const auroc: Metric<"label"> = {
  name: "auroc",
  summary:
    "Probability that a text with a label scores higher for it than a text without it, averaged over labels (scikit-learn: roc_auc_score, one-vs-rest, macro)",
  better: "higher",
  part: ({ gold }, { scores }) => [gold, ...scores],
  quality: (parts) => macro(parts)(new Uint32Array(parts.length).fill(1)),
  resampled: macro,
};
