import { auroc } from "../../src/lab/metrics/index.ts";
import {
  aiq,
  apgr,
  atThreshold,
  type CurvePoint,
  callsNeeded,
  curve,
  type Outcome,
  oracleLine,
  superQuality,
} from "../../src/pipelines/metrics.ts";
import { thresholdForAccuracy, thresholdForShare } from "../../src/pipelines/route/calibrate.ts";
import { type ScoreOptions, scoreOf, scoreOptions } from "../../src/pipelines/scores.ts";
import { seededRandom } from "../../src/util/random.ts";

/** Ways to score, by the names that the tables have. */
export const SCORINGS: Readonly<Record<string, ScoreOptions>> = Object.fromEntries(
  [
    ["energy", {}],
    ["energy, T = 0.5", { temperature: 0.5 }],
    ["energy, T = 2", { temperature: 2 }],
    ["energy of probabilities", { score: "energy-of-probs" }],
    ["softmax", { score: "softmax" }],
    ["entropy", { score: "entropy" }],
    ["margin", { score: "margin" }],
    ["random", { score: "random" }],
  ].map(([name, options]) => [name, scoreOptions.parse(options)]),
);

/** Both models' answers for a row, and their cost. */
export interface Judged {
  readonly logits: ArrayLike<number>;
  readonly swift: number;
  readonly super: number;
  readonly cost: Outcome["cost"];
}

export const outcomesOf = (judged: readonly Judged[], scoring: ScoreOptions): Outcome[] =>
  judged.map(({ logits, ...rest }) => ({ ...rest, score: scoreOf(logits, scoring) }));

export const SHARES = Array.from({ length: 21 }, (_, i) => i / 20);

/**
 * The quality of a score at telling hard inputs from easy ones: AUROC of Swift's errors, APGR, CPT at 50 and 80 %, AIQ
 * in FLOPs.
 */
export interface Quality {
  readonly auroc: number;
  readonly apgr: number;
  readonly cpt50: number;
  readonly cpt80: number;
  readonly aiq: number;
}

/** Chance that an error of Swift's scores lower than a right answer; scores that are NaN are the lowest. */
function aurocOfWrong(outcomes: readonly Outcome[]): number {
  const [WRONG, RIGHT] = [0, 1];
  const hard = (score: number) => (Number.isNaN(score) ? Number.POSITIVE_INFINITY : -score);
  return auroc.quality(outcomes.map(({ score, swift }) => [swift < 0.5 ? WRONG! : RIGHT!, hard(score)]));
}

export const qualityOf = (outcomes: readonly Outcome[], points = curve(outcomes)): Quality => ({
  auroc: aurocOfWrong(outcomes),
  apgr: apgr(points),
  cpt50: callsNeeded(points, 0.5),
  cpt80: callsNeeded(points, 0.8),
  aiq: aiq(points),
});

export const atShares = (points: readonly CurvePoint[]): number[] =>
  SHARES.map((share) => points[Math.round(share * (points.length - 1))]!.quality);

/** The effect on test rows of a threshold chosen on calibration rows. */
export interface Operated {
  readonly share: number;
  readonly accuracy: number;
  /** Points of accuracy that the cascade loses against Super. */
  readonly loss: number;
  /** Super's FLOPs divided by the cascade's. */
  readonly ratio: number;
}

export function operated(outcomes: readonly Outcome[], threshold: number): Operated {
  const { share, quality, cost } = atThreshold(outcomes, threshold);
  const dense = outcomes.reduce((sum, o) => sum + o.cost.super, 0) / outcomes.length;
  return { share, accuracy: quality, loss: 100 * (superQuality(outcomes) - quality), ratio: dense / cost };
}

/** Thresholds that calibration rows give: for shares, and for Super's accuracy on them less half a point and a point. */
export const TARGETS: Readonly<Record<string, (calibration: readonly Outcome[]) => number>> = {
  "share 0.1": (rows) =>
    thresholdForShare(
      rows.map(({ score }) => score),
      0.1,
    ),
  "share 0.15": (rows) =>
    thresholdForShare(
      rows.map(({ score }) => score),
      0.15,
    ),
  "share 0.3": (rows) =>
    thresholdForShare(
      rows.map(({ score }) => score),
      0.3,
    ),
  "share 0.45": (rows) =>
    thresholdForShare(
      rows.map(({ score }) => score),
      0.45,
    ),
  "Super − 0.5": (rows) => thresholdForAccuracy(rows, superQuality(rows) - 0.005),
  "Super − 1": (rows) => thresholdForAccuracy(rows, superQuality(rows) - 0.01),
};

/** The oracle's figures, which need no score. */
export const oracleOf = (outcomes: readonly Outcome[]): { quality: Omit<Quality, "auroc">; curve: number[] } => {
  const points = oracleLine(outcomes);
  const { auroc: _, ...quality } = qualityOf(outcomes, points);
  return { quality, curve: atShares(points) };
};

export type Interval = readonly [low: number, high: number];

/**
 * 95 % percentile intervals of statistics over rows, resampled within each seed's rows; the statistic is the mean over
 * seeds.
 */
export function intervals<K extends string>(
  seeds: readonly (readonly Outcome[])[],
  statistic: (outcomes: readonly Outcome[], seed: number) => Readonly<Record<K, number>>,
  resamples: number,
): Record<K, Interval> {
  const random = seededRandom(1);
  const draw = (rows: readonly Outcome[]) => rows.map(() => rows[Math.floor(random() * rows.length)]!);
  const drawn = Array.from({ length: resamples }, () => meanOf(seeds.map((rows, seed) => statistic(draw(rows), seed))));
  const quantile = (key: K, q: number) => {
    const sorted = drawn.map((one) => one[key]).sort((a, b) => a - b);
    return sorted[Math.round(q * (sorted.length - 1))]!;
  };
  const keys = Object.keys(drawn[0]!) as K[];
  return Object.fromEntries(keys.map((key) => [key, [quantile(key, 0.025), quantile(key, 0.975)]])) as never;
}

/** The mean of each field. */
export function meanOf<K extends string>(records: readonly Readonly<Record<K, number>>[]): Record<K, number> {
  const keys = Object.keys(records[0]!) as K[];
  const mean = (key: K) => records.reduce((sum, record) => sum + record[key], 0) / records.length;
  return Object.fromEntries(keys.map((key) => [key, mean(key)])) as never;
}
