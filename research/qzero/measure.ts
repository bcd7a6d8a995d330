import type { ClassifyPipeline, QZeroResult } from "../../src/index.ts";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { mean } from "../../src/util/mean.ts";
import type { Arm } from "./arms.ts";
import type { Corpus } from "./retrieved.ts";
import type { LabelledSet, Row } from "./sets.ts";

export type Interval = readonly [low: number, high: number];

/** An arm's results of all rows; means are over rows. */
export interface ArmResult {
  readonly arm: string;
  /** Over all rows; one without a label is wrong. */
  readonly accuracy: number;
  readonly ci95: Interval;
  /** Against plain, on the same rows. */
  readonly gain: { readonly mean: number; readonly ci95: Interval };
  /** Share of rows that were looked up, and that were without any category. */
  readonly lookedUp: number;
  readonly fallback: number;
  /** Categories found and read, distinct keywords, and an encoder's tokens before and after the cut. */
  readonly found: number;
  readonly read: number;
  readonly keywords: number;
  readonly tokens?: { readonly given: number; readonly read: number };
  readonly ms: number;
  readonly flops: number;
  /** One digit per row: 1 for right. */
  readonly right: string;
  /** How often each label (row) was taken for each (column); in the last column are rows without one. */
  readonly confusion: readonly (readonly number[])[];
}

const quality = (parts: readonly (readonly number[])[]): number => mean(parts.map(([share]) => share!));
const partsOf = (right: string): number[][] => [...right].map((digit) => [Number(digit)]);
export const gainOf = (right: string, plain: string) =>
  pairedDelta(partsOf(right), partsOf(plain), quality, { seed: 0, resamples: 2000 });

/** The number of rows per call; results are stored after each. */
const CHUNK = 25;

/** Every row's result of one arm, and the mean cost of a row. */
export async function classifyRows(
  pipeline: ClassifyPipeline,
  { rows, labels }: LabelledSet,
  corpus: Corpus,
  arm: Arm,
) {
  const results: QZeroResult[] = [];
  let [flops, ms] = [0, 0];
  for (let at = 0; at < rows.length; at += CHUNK) {
    const chunk = rows.slice(at, at + CHUNK);
    const evidence = chunk.map((_, i) => arm.documents(corpus, at + i));
    const options = { evidence, explain: true, qzero: arm.qzero };
    const answer = await pipeline.classify(
      chunk.map(({ text }) => text),
      labels,
      options,
    );
    results.push(...answer.results);
    flops += answer.receipt.flops.spent;
    ms += answer.receipt.ms.total;
  }
  return { results, cost: { ms: ms / rows.length, flops: flops / rows.length } };
}

/** One digit per row: 1 for right. */
export const rightOf = (rows: readonly Row[], labels: readonly (string | null)[]): string =>
  labels.map((label, i) => (label === rows[i]!.label ? "1" : "0")).join("");

/** Classifies a set's rows by one arm; `plain` is the right digits of the arm that looks nothing up. */
export async function runArm(
  pipeline: ClassifyPipeline,
  set: LabelledSet,
  corpus: Corpus,
  arm: Arm,
  plain: string | undefined,
): Promise<ArmResult> {
  const { rows, labels } = set;
  const { results, cost } = await classifyRows(pipeline, set, corpus, arm);
  const right = rightOf(
    rows,
    results.map(({ label }) => label),
  );
  const { quality: accuracy, ci95 } = bootstrap(partsOf(right), quality, { seed: 0, resamples: 2000 });
  const confusion = confusionOf(
    Object.keys(labels),
    rows.map(({ label }) => label),
    results,
  );
  return {
    ...{ arm: arm.name, accuracy, ci95, gain: gainOf(right, plain ?? right) },
    ...{
      lookedUp: mean(results.map((it) => Number(it.retrieved))),
      fallback: mean(results.map((it) => Number(it.fallback))),
    },
    ...readOf(results),
    ...{ ...cost, right, confusion },
  };
}

function readOf(results: readonly QZeroResult[]) {
  const explained = results.map((it) => it.explanation!);
  const tokens = explained.flatMap(({ read }) => read.tokens ?? []);
  return {
    found: mean(explained.map(({ read }) => read.found)),
    read: mean(explained.map(({ read }) => read.categories)),
    keywords: mean(explained.map(({ keywords }) => keywords.length)),
    ...(tokens.length > 0 && {
      tokens: { given: mean(tokens.map(({ given }) => given)), read: mean(tokens.map(({ read }) => read)) },
    }),
  };
}

function confusionOf(names: readonly string[], gold: readonly string[], results: readonly QZeroResult[]): number[][] {
  const counts = names.map(() => Array<number>(names.length + 1).fill(0));
  for (const [i, { label }] of results.entries()) {
    const column = label === null ? names.length : names.indexOf(label);
    counts[names.indexOf(gold[i]!)]![column]! += 1;
  }
  return counts;
}

/** The gain of an arm among the rows of each quarter by how much of a text its best document covers. */
export function gainByCoverage(corpus: Corpus, plain: string, right: string) {
  const order = corpus.found.map(({ covered }, place) => ({ covered, place })).sort((a, b) => a.covered - b.covered);
  return [0, 1, 2, 3].map((quarter) => {
    const part = order.slice(Math.floor((quarter * order.length) / 4), Math.floor(((quarter + 1) * order.length) / 4));
    const digits = (of: string) => part.map(({ place }) => of[place]!).join("");
    return {
      covered: [part[0]!.covered, part.at(-1)!.covered] as const,
      rows: part.length,
      plain: mean(partsOf(digits(plain)).map(([share]) => share!)),
      gain: gainOf(digits(right), digits(plain)),
    };
  });
}
