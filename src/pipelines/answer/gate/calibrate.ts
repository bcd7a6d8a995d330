import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { mean } from "../../../util/mean.ts";
import { type CurvePoint, curve, type Outcome as RouteOutcome } from "../../metrics.ts";
import type { Outcome } from "./classifier.ts";

/** A calibration question: its score, high if the question needs retrieval, and both answers' quality, from 0 to 1. */
export interface GateSample extends Outcome {
  /** If NaN, the question is looked up at any threshold. */
  readonly score: number;
}

export const gateTarget = z
  .strictObject({
    by: z.enum(["rate", "accuracy", "cost"]).default("rate").describe("how to choose the threshold"),
    rate: z.number().min(0).max(1).optional().describe("by=rate: share of questions to look up (default: 0.5)"),
    minAccuracyRatio: z
      .number()
      .positive()
      .optional()
      .describe("by=accuracy: target, as a share of the accuracy if all questions are looked up (default: 1)"),
    cost: z.number().min(0).optional().describe("by=cost: cost of a retrieval, in the unit of benefit"),
    benefit: z.number().positive().default(1).describe("by=cost: benefit of a corrected answer"),
    charged: z
      .enum(["every", "unneeded"])
      .default("every")
      .describe("by=cost: which retrievals count as cost: all, or only unneeded ones"),
  })
  .refine(({ by, cost }) => by !== "cost" || cost !== undefined, { path: ["cost"], error: "expected a cost" });
export type GateTarget = z.output<typeof gateTarget>;

const USUAL_RATE = 0.5;

/** @throws UserError if no threshold meets the target */
export function thresholdFrom(samples: readonly GateSample[], target: GateTarget): number {
  if (samples.length < 2) throw new UserError(`a calibration needs two questions or more, got ${samples.length}`);
  switch (target.by) {
    case "rate":
      return thresholdForRate(
        samples.map(({ score }) => score),
        target.rate ?? USUAL_RATE,
      );
    case "accuracy":
      return thresholdForAccuracy(samples, target.minAccuracyRatio ?? 1);
    case "cost":
      return thresholdForCost(target.cost!, target.benefit, target.charged);
  }
}

/** Scores in descending order; questions without a score come first, since they are looked up first. */
const ordered = (scores: readonly number[]): number[] =>
  scores.map((score) => (Number.isNaN(score) ? Number.POSITIVE_INFINITY : score)).sort((a, b) => b - a);

/**
 * The threshold that looks up the first `count` of descending scores: halfway between two scores, or beyond all scores.
 * Finite, since JSON has no infinity.
 */
function after(sorted: readonly number[], count: number): number {
  if (count >= sorted.length) return -Number.MAX_VALUE;
  const [last, next] = [sorted[count - 1] ?? Number.POSITIVE_INFINITY, sorted[count]!];
  if (last === next) return Math.min(next, Number.MAX_VALUE);
  return Number.isFinite(last) ? next + (last - next) / 2 : Number.MAX_VALUE;
}

/** The threshold that looks up a share of the questions; equal scores at the threshold are all looked up. */
export const thresholdForRate = (scores: readonly number[], rate: number): number =>
  after(ordered(scores), Math.round(rate * scores.length));

/**
 * The threshold that retrieves least with an accuracy of at least `ratio` times the accuracy of always retrieving.
 * @throws UserError if no threshold reaches it
 */
function thresholdForAccuracy(samples: readonly GateSample[], ratio: number): number {
  const least = ratio * mean(samples.map(({ retrieved }) => retrieved));
  const sorted = ordered(samples.map(({ score }) => score));
  let best = 0;
  for (let count = 0; count <= sorted.length; count++) {
    // No threshold separates equal scores.
    if (count > 0 && count < sorted.length && sorted[count] === sorted[count - 1]) continue;
    const threshold = after(sorted, count);
    const { accuracy } = atThreshold(samples, threshold);
    if (accuracy >= least - 1e-12) return threshold;
    best = Math.max(best, accuracy);
  }
  throw new UserError(
    `no threshold reaches an accuracy of ${least.toFixed(3)} on these questions; the best is ${best.toFixed(3)}`,
  );
}

/**
 * The threshold that minimizes the expected loss, for a score that is P(retrieval corrects the answer): c/b if every
 * retrieval costs c, and c/(c + b) if only unneeded retrievals do.
 */
export const thresholdForCost = (cost: number, benefit: number, charged: GateTarget["charged"]): number =>
  charged === "every" ? cost / benefit : cost / (cost + benefit);

/** Retrieval rate and accuracy of a gate with this threshold. */
export function atThreshold(samples: readonly GateSample[], threshold: number): { rate: number; accuracy: number } {
  const looked = samples.map(({ score }) => !(score < threshold));
  return {
    rate: mean(looked.map(Number)),
    accuracy: mean(samples.map(({ plain, retrieved }, i) => (looked[i] ? retrieved : plain))),
  };
}

/** Accuracy at every retrieval rate k/n, the highest scores first; equal scores count as their mean. */
export const gateCurve = (samples: readonly GateSample[]): CurvePoint[] => curve(samples.map(asRoute));

/** Converts a gate's sample to a route's outcome: the plain answer counts as Swift's, and the score is negated. */
export const asRoute = ({ score, plain, retrieved }: GateSample): RouteOutcome => ({
  ...{ score: -score, swift: plain, super: retrieved },
  cost: { swift: 0, super: 1, escalated: 0 },
});
