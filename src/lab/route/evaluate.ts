import {
  above,
  aiq,
  apgr,
  atThreshold,
  type CurvePoint,
  callsNeeded,
  curve,
  type Outcome,
  oracleLine,
  randomLine,
  superQuality,
} from "../../pipelines/metrics.ts";
import { thresholdForAccuracy, thresholdForShare } from "../../pipelines/route/calibrate.ts";
import { UserError } from "../../util/errors.ts";
import type { Part } from "../metric.ts";
import { bootstrap, type Estimate, pairedDelta } from "../metrics/bootstrap.ts";
import { auroc } from "../metrics/index.ts";
import type { ItemAnswer } from "./answers.ts";
import { aurocOfWrong, wrongPart } from "./auroc.ts";

/** Results of thresholds found on each half of the items and applied to the other half. */
export interface Holdout {
  /** The thresholds for the even and the odd items. */
  readonly thresholds: readonly [even: number, odd: number];
  readonly share: number;
  readonly quality: number;
  /** The change in quality from Super alone, on the same items. */
  readonly delta: Estimate;
  /** Super's cost divided by the route's; above 1, the route takes less compute or time. */
  readonly flops_ratio: number;
  readonly ms_ratio: number;
}

/** One score's results. AUROC and curves cover all items: they use no threshold. */
export interface WayResult {
  readonly way: string;
  readonly auroc: Estimate;
  /** Quality above the random line, averaged over all shares. */
  readonly above_random: Estimate;
  readonly apgr: number;
  readonly cpt50: number;
  readonly cpt80: number;
  readonly aiq: number;
  /** Points at every tenth of the items. */
  readonly curve: readonly CurvePoint[];
  /** Results at shares of 10, 20, … %. */
  readonly by_share: readonly (Holdout & { readonly wanted: number })[];
  /** Results at the smallest share for Super whose quality on the other half is at most one point below Super's. */
  readonly by_accuracy: Holdout;
  /** The least compute for a quality at most one point below Super's, with a threshold chosen on these items. */
  readonly best: { readonly share: number; readonly quality: number; readonly flops_ratio: number };
}

export interface PairResult {
  readonly items: number;
  readonly swift: Alone;
  readonly super: Alone;
  readonly random: { readonly apgr: number; readonly aiq: number };
  readonly oracle: { readonly apgr: number; readonly aiq: number; readonly curve: readonly CurvePoint[] };
  readonly ways: readonly WayResult[];
}

interface Alone {
  readonly quality: Estimate;
  readonly flops_per_item: number;
  readonly ms_per_item: number;
}

/** One percentage point of quality. */
const POINT = 0.01;
const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** Evaluates routing between two models, from answers to the same items, by every score. @throws UserError for too few items */
export function evaluate(swift: readonly ItemAnswer[], strong: readonly ItemAnswer[], seed: number): PairResult {
  if (swift.length < 4) throw new UserError(`a route needs two items or more in each half, got ${swift.length} in all`);
  const names = Object.keys(swift[0]!.scores);
  const of = (way: string) => swift.map((answer, i) => pairOf(answer, strong[i]!, way));
  const any = of(names[0]!).map(({ flops }) => flops);
  return {
    ...{ items: swift.length, swift: alone(swift, seed), super: alone(strong, seed) },
    random: { apgr: apgr(randomLine(any)), aiq: aiq(randomLine(any)) },
    oracle: { apgr: apgr(oracleLine(any)), aiq: aiq(oracleLine(any)), curve: tenths(oracleLine(any)) },
    ways: names.map((way) => resultOf(way, of(way), seed)),
  };
}

/** One input's outcome, with its cost in FLOPs and in milliseconds. */
interface Outcomes {
  readonly flops: Outcome;
  readonly ms: Outcome;
}

function pairOf(swift: ItemAnswer, strong: ItemAnswer, way: string): Outcomes {
  const outcome = (unit: "flops" | "ms"): Outcome => ({
    ...{ score: swift.scores[way]!, swift: swift.quality, super: strong.quality },
    cost: {
      ...{ swift: swift.whole[unit], super: strong.whole[unit] },
      // If Super takes over, Swift stops after the first token.
      ...(way.startsWith("first/") && { escalated: swift.first[unit] }),
    },
  });
  return { flops: outcome("flops"), ms: outcome("ms") };
}

function alone(answers: readonly ItemAnswer[], seed: number): Alone {
  const parts = answers.map(({ quality }): Part => [quality]);
  const { quality, ci95 } = bootstrap(parts, mean, { seed });
  return {
    quality: { mean: quality, ci95 },
    flops_per_item: mean(answers.map(({ whole }) => [whole.flops])),
    ms_per_item: mean(answers.map(({ whole }) => [whole.ms])),
  };
}

const mean = (parts: readonly Part[]): number => parts.reduce((sum, [value]) => sum + value!, 0) / parts.length;

function resultOf(way: string, items: readonly Outcomes[], seed: number): WayResult {
  const outcomes = items.map(({ flops }) => flops);
  const points = curve(outcomes);
  const byShare = (share: number) => (known: readonly Outcome[]) =>
    thresholdForShare(
      known.map(({ score }) => score),
      share,
    );
  const byAccuracy = (known: readonly Outcome[]) => thresholdForAccuracy(known, superQuality(known) - POINT);
  return {
    ...{ way, auroc: aurocEstimate(outcomes, seed), above_random: aboveRandom(outcomes, seed) },
    ...{ apgr: apgr(points), cpt50: callsNeeded(points, 0.5), cpt80: callsNeeded(points, 0.8), aiq: aiq(points) },
    curve: tenths(points),
    by_share: SHARES.map((share) => ({ wanted: share, ...applied(byShare(share), items, seed) })),
    by_accuracy: applied(byAccuracy, items, seed),
    best: bestOf(points, outcomes),
  };
}

function aurocEstimate(outcomes: readonly Outcome[], seed: number): Estimate {
  const options = { seed, ...(auroc.resampled && { resampled: auroc.resampled }) };
  const { quality, ci95 } = bootstrap(outcomes.map(wrongPart), () => aurocOfWrong(outcomes), options);
  return { mean: quality, ci95 };
}

function aboveRandom(outcomes: readonly Outcome[], seed: number): Estimate {
  const places = outcomes.map((_, i): Part => [i, 0]);
  const of = (parts: readonly Part[]) => {
    const drawn = parts.map(([place]) => outcomes[place!]!);
    return above(curve(drawn), randomLine(drawn));
  };
  const { quality, ci95 } = bootstrap(places, of, { seed });
  return { mean: quality, ci95 };
}

/** Finds a threshold on each half, and applies it to the other half. */
function applied(find: (known: readonly Outcome[]) => number, items: readonly Outcomes[], seed: number): Holdout {
  const half = (parity: number) => items.filter((_, i) => i % 2 === parity).map(({ flops }) => flops);
  const thresholds = [find(half(1)), find(half(0))] as const;
  const moved = (outcome: Outcome, i: number): Outcome => ({
    ...outcome,
    score: above0(outcome.score, thresholds[i % 2]!),
  });
  const flops = items.map((one, i) => moved(one.flops, i));
  const ms = items.map((one, i) => moved(one.ms, i));
  const { share, quality, cost } = atThreshold(flops, 0);
  const routed = flops.map((one): Part => [one.score >= 0 ? one.swift : one.super]);
  const strong = flops.map((one): Part => [one.super]);
  return {
    ...{ thresholds, share, quality, delta: pairedDelta(routed, strong, mean, { seed }) },
    flops_ratio: mean(flops.map((one) => [one.cost.super])) / cost,
    ms_ratio: mean(ms.map((one) => [one.cost.super])) / atThreshold(ms, 0).cost,
  };
}

/** 1 if a score reaches its threshold, else −1; a difference of two infinite numbers would be NaN. */
const above0 = (score: number, threshold: number): number => (score >= threshold ? 1 : -1);

function bestOf(points: readonly CurvePoint[], outcomes: readonly Outcome[]): WayResult["best"] {
  const least = superQuality(outcomes) - POINT - 1e-9;
  const [{ share, quality, cost }] = points
    .filter((point) => point.quality >= least)
    .sort((a, b) => a.cost - b.cost) as [CurvePoint];
  return { share, quality, flops_ratio: mean(outcomes.map((one) => [one.cost.super])) / cost };
}

/** Every tenth point of a curve. */
const tenths = (points: readonly CurvePoint[]): CurvePoint[] =>
  Array.from({ length: 11 }, (_, i) => points[Math.round(((points.length - 1) * i) / 10)]!);
