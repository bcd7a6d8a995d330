import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { atThreshold, type Outcome, superQuality } from "../metrics.ts";

/**
 * Ways to find a threshold: a share of inputs for Super, an accuracy to reach, or the crossing of two histograms of
 * scores, one for the inputs that Swift answered correctly and one for the inputs that it answered incorrectly.
 */
const calibrations = ["share", "accuracy", "crossing"] as const;
export type CalibrateBy = (typeof calibrations)[number];

/** One calibration input: its score, and the quality of the answers (0 to 1) if known. */
export interface Sample {
  /** If NaN, the input goes to Super at any threshold. */
  readonly score: number;
  readonly swift?: number | undefined;
  readonly super?: number | undefined;
}

/** A quality of 0.5 or more counts as correct. */
const RIGHT = 0.5;

export const target = z.strictObject({
  by: z.enum(calibrations).default("share").describe("how to choose the threshold"),
  value: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe(
      "by=share: the larger model's share (default: 0.3); by=accuracy: the accuracy to keep (default: the larger model's)",
    ),
});
export type Target = z.output<typeof target>;

/** The default share for Super. */
const USUAL_SHARE = 0.3;

/** The threshold from samples: a score below it goes to Super. @throws UserError if the samples determine none */
export function thresholdFrom(samples: readonly Sample[], { by, value }: Target): number {
  checkSamples(samples, by);
  switch (by) {
    case "share":
      return thresholdForShare(
        samples.map(({ score }) => score),
        value ?? USUAL_SHARE,
      );
    case "accuracy":
      return thresholdForAccuracy(samples.map(judged), value);
    case "crossing":
      return thresholdAtCrossing(samples);
  }
}

/** @throws UserError for fewer than two samples, for only one class, or without the answers that `by` needs */
export function checkSamples(samples: readonly Sample[], by: CalibrateBy): void {
  const count = samples.length;
  if (count < 2) throw new UserError(`a calibration needs two rows or more, got ${count}`);
  const known = samples.filter(({ swift }) => swift !== undefined).length;
  if (known < count && by !== "share")
    throw new UserError(`by=${by} needs an answer to every row, and ${count - known} of ${count} have none`);
  if (by === "accuracy" && samples.some((sample) => sample.super === undefined))
    throw new UserError("by=accuracy also needs Super's answers");
  const right = samples.filter(({ swift }) => swift !== undefined && swift >= RIGHT).length;
  if (known === count && (right === 0 || right === count))
    throw new UserError(
      `Swift answers ${right === 0 ? "none" : "all"} of the ${count} rows correctly; a calibration needs right and wrong answers`,
    );
}

const judged = ({ score, swift, super: strong }: Sample): Outcome => ({
  score,
  swift: swift!,
  super: strong!,
  cost: { swift: 0, super: 1 },
});

/** The scores in ascending order; inputs without a score are below all others. */
const ordered = (scores: readonly number[]): number[] =>
  scores.map((score) => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score)).sort((a, b) => a - b);

/** Halfway between the last score that goes to Super and the first that does not; −∞ and +∞ at the ends. */
function between(sorted: readonly number[], toSuper: number): number {
  if (toSuper <= 0) return Number.NEGATIVE_INFINITY;
  if (toSuper >= sorted.length) return Number.POSITIVE_INFINITY;
  const [below, above] = [sorted[toSuper - 1]!, sorted[toSuper]!];
  return below === Number.NEGATIVE_INFINITY ? below : below + (above - below) / 2;
}

/** The threshold below which the given share of the scores lies. */
export const thresholdForShare = (scores: readonly number[], share: number): number =>
  between(ordered(scores), Math.round(share * scores.length));

/**
 * The threshold with the smallest share for Super whose accuracy is at least `least`, by default Super's own. @throws
 * UserError if no threshold reaches it
 */
export function thresholdForAccuracy(outcomes: readonly Outcome[], least = superQuality(outcomes)): number {
  const sorted = ordered(outcomes.map(({ score }) => score));
  let best = { quality: -1, share: 0 };
  for (let toSuper = 0; toSuper <= sorted.length; toSuper++) {
    // No threshold separates equal scores.
    if (toSuper > 0 && sorted[toSuper] === sorted[toSuper - 1]) continue;
    const threshold = between(sorted, toSuper);
    const { quality, share } = atThreshold(outcomes, threshold);
    if (quality >= least - 1e-12) return threshold;
    if (quality > best.quality) best = { quality, share };
  }
  throw new UserError(
    `no threshold reaches an accuracy of ${least} on these rows; the best is ${best.quality.toFixed(3)} with ${(100 * best.share).toFixed(0)} % for Super`,
  );
}

/**
 * The score at which the normalized histograms of Swift's correct and incorrect answers cross (E-LANG, section on the
 * threshold). If they cross several times, the crossing that separates them best counts.
 */
function thresholdAtCrossing(samples: readonly Sample[]): number {
  const scored = samples.filter(({ score }) => !Number.isNaN(score));
  const { edges, right, wrong } = histograms(scored);
  let [apart, best, above] = [0, Number.NEGATIVE_INFINITY, 0];
  for (const [bin, edge] of edges.entries()) {
    above += wrong[bin]! - right[bin]!;
    if (above > apart) [apart, best] = [above, edge];
  }
  return best;
}

/** Shares of the correct and of the incorrect answers in √n bins of equal width; `edges` are the bins' upper ends. */
export function histograms(samples: readonly Sample[]): { edges: number[]; right: number[]; wrong: number[] } {
  const scores = samples.map(({ score }) => score);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const bins = Math.max(2, Math.ceil(Math.sqrt(samples.length)));
  const width = (high - low) / bins;
  const edges = Array.from({ length: bins }, (_, bin) => low + (bin + 1) * width);
  const binOf = (score: number) => (width > 0 ? Math.min(bins - 1, Math.floor((score - low) / width)) : 0);
  const shares = (samples: readonly Sample[]) => {
    const counts = edges.map(() => 0);
    for (const { score } of samples) counts[binOf(score)]! += 1 / samples.length;
    return counts;
  };
  const isRight = ({ swift }: Sample) => swift !== undefined && swift >= RIGHT;
  return { edges, right: shares(samples.filter(isRight)), wrong: shares(samples.filter((one) => !isRight(one))) };
}
