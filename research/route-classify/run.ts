import { cpus } from "node:os";
import type { HeadModel } from "../../src/pipelines/classify/head.ts";
import { curve, type Outcome, superQuality, swiftQuality } from "../../src/pipelines/metrics.ts";
import { FLOPS_PER_LOGIT } from "../../src/pipelines/scores.ts";
import type { DataSet, Split } from "./data.ts";
import { type Embedded, headFor } from "./heads.ts";
import {
  atShares,
  type Interval,
  intervals,
  type Judged,
  meanOf,
  operated,
  oracleOf,
  outcomesOf,
  type Quality,
  qualityOf,
  SCORINGS,
  SHARES,
  TARGETS,
} from "./measure.ts";

/** Figures with the 95 % interval of each. */
export type Measured<K extends string> = Record<K, { readonly mean: number; readonly ci95: Interval }>;

/** Scores whose thresholds are evaluated. */
const OPERATED = ["energy", "softmax", "random"];

/** The result of one data set and one Swift. */
export interface Result {
  readonly set: Pick<DataSet, "name" | "sha256" | "duplicates"> & { labels: number; rows: Record<keyof Split, number> };
  readonly swift: string;
  readonly super: string;
  readonly seeds: number;
  readonly l2: { readonly swift: readonly number[]; readonly super: readonly number[] };
  /** Accuracy and FLOPs per text of each model alone. */
  readonly alone: Measured<"swift" | "super" | "gap">;
  readonly flops: { readonly swift: number; readonly super: number };
  readonly shares: readonly number[];
  /** By the name of the score, and `oracle`. */
  readonly curves: Readonly<Record<string, readonly number[]>>;
  readonly quality: Readonly<Record<string, Measured<string>>>;
  /** By score, then by target. */
  readonly operated: Readonly<Record<string, Readonly<Record<string, Measured<string>>>>>;
  readonly time?: unknown;
  readonly machine: string;
}

/** Heads of one seed, and their results on rows that they were not trained on. */
export interface SeedRun {
  readonly split: Split;
  readonly swift: HeadModel;
  readonly super: HeadModel;
  readonly calibration: readonly Judged[];
  readonly test: readonly Judged[];
}

export function seedRun(set: DataSet, swift: Embedded, strong: HeadModelOf, split: Split, seed: number): SeedRun {
  const model = headFor(swift, set, split, seed);
  const { model: superModel, vectors } = strong;
  const judge = (places: readonly number[]) =>
    places.map((i): Judged => judged(set, i, { model, vectors: swift.vectors }, { model: superModel, vectors }));
  return { split, swift: model, super: superModel, calibration: judge(split.calibration), test: judge(split.test) };
}

/** A head and the vectors that it reads. */
export interface HeadModelOf {
  readonly model: HeadModel;
  readonly vectors: readonly Float32Array[];
}

function judged({ rows }: DataSet, i: number, swift: HeadModelOf, strong: HeadModelOf): Judged {
  const { text, label } = rows[i]!;
  const [logits, others] = [swift, strong].map(({ model, vectors }) => model.read(vectors[i]!)) as [
    Float64Array,
    Float64Array,
  ];
  const right = (z: Float64Array) => Number(z.indexOf(Math.max(...z)) === label);
  const scoring = FLOPS_PER_LOGIT * logits.length;
  const cost = { swift: swift.model.price([text]).flops + scoring, super: strong.model.price([text]).flops };
  return { logits, swift: right(logits), super: right(others), cost };
}

/** All figures of a set and a Swift but for times. */
export function resultOf(set: DataSet, runs: readonly SeedRun[], resamples: number): Result {
  const [first] = runs as [SeedRun];
  const tests = runs.map(({ test }) => outcomesOf(test, SCORINGS["energy"]!));
  const alone = (rows: readonly Outcome[]) => {
    const [swift, strong] = [swiftQuality(rows), superQuality(rows)];
    return { swift, super: strong, gap: 100 * (strong - swift) };
  };
  const entries = Object.entries(SCORINGS).map(([name, scoring]) => {
    const seeds = runs.map(({ calibration, test }) => ({
      calibration: outcomesOf(calibration, scoring),
      test: outcomesOf(test, scoring),
    }));
    return [name, seeds] as const;
  });
  const costs = meanOf(runs.flatMap(({ test }) => test.map(({ cost }) => ({ swift: cost.swift, super: cost.super }))));
  return {
    set: {
      ...{ name: set.name, sha256: set.sha256, duplicates: set.duplicates, labels: set.labels.length },
      rows: { train: first.split.train.length, calibration: first.calibration.length, test: first.test.length },
    },
    ...{ swift: first.swift.name, super: first.super.name, seeds: runs.length },
    l2: { swift: runs.map((r) => r.swift.head.training.l2), super: runs.map((r) => r.super.head.training.l2) },
    alone: measured(tests, alone, resamples),
    flops: costs,
    shares: SHARES,
    curves: {
      ...Object.fromEntries(
        entries.map(([name, seeds]) => [name, meanCurve(seeds.map(({ test }) => atShares(curve(test))))]),
      ),
      oracle: meanCurve(tests.map((rows) => oracleOf(rows).curve)),
    },
    quality: {
      ...Object.fromEntries(
        entries.map(([name, seeds]) => [
          name,
          measured(
            seeds.map(({ test }) => test),
            (rows) => ({ ...qualityOf(rows) }),
            resamples,
          ),
        ]),
      ),
      oracle: measured(tests, (rows): Omit<Quality, "auroc"> => oracleOf(rows).quality, resamples),
    },
    operated: Object.fromEntries(
      entries
        .filter(([name]) => OPERATED.includes(name))
        .map(([name, seeds]) => [
          name,
          Object.fromEntries(
            Object.entries(TARGETS).map(([target, thresholdOf]) => {
              const thresholds = seeds.map(({ calibration }) => thresholdOf(calibration));
              const at = (rows: readonly Outcome[], seed: number) => ({ ...operated(rows, thresholds[seed]!) });
              return [
                target,
                measured(
                  seeds.map(({ test }) => test),
                  at,
                  resamples,
                ),
              ];
            }),
          ),
        ]),
    ),
    machine: `${cpus()[0]!.model.trim()}, ${cpus().length} cores`,
  };
}

function measured<K extends string>(
  seeds: readonly (readonly Outcome[])[],
  statistic: (rows: readonly Outcome[], seed: number) => Readonly<Record<K, number>>,
  resamples: number,
): Measured<K> {
  const mean = meanOf(seeds.map(statistic));
  const ci95 = intervals(seeds, statistic, resamples);
  const keys = Object.keys(mean) as K[];
  return Object.fromEntries(keys.map((key) => [key, { mean: mean[key], ci95: ci95[key] }])) as never;
}

const meanCurve = (curves: readonly (readonly number[])[]): number[] =>
  curves[0]!.map((_, i) => curves.reduce((sum, one) => sum + one[i]!, 0) / curves.length);
