/**
 * Judges every gate on the answers of trained closed worlds and writes `research/expertrag/closed-world`:
 * `npx tsx research/expertrag/closed-world/results.ts OUT…`, each OUT the folder of a seed.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { evaluateGate, type GateResult } from "../../../src/lab/lookup/gate-quality.ts";
import { bootstrap } from "../../../src/lab/metrics/bootstrap.ts";
import { atThreshold, type GateSample, thresholdForRate } from "../../../src/pipelines/answer/gate/calibrate.ts";
import {
  type Classifier,
  fitClassifier,
  type LabelRule,
  probabilityOf,
} from "../../../src/pipelines/answer/gate/classifier.ts";
import { breakEven, costsOf, type GateCosts, gatedCost } from "../../../src/pipelines/answer/gate/cost.ts";
import { featuresOf } from "../../../src/pipelines/answer/gate/features.ts";
import { type GateMethod, gateScore } from "../../../src/pipelines/answer/gate/gate.ts";
import { signalFlops } from "../../../src/pipelines/answer/gate/signals.ts";
import { mean } from "../../../src/util/mean.ts";
import { root, writeSection } from "../../../tools/section.ts";
import type { GatedRun, Row, Switched } from "./answers.ts";
import { section } from "./tables.ts";
import { isTest } from "./world.ts";

type Score = (row: Row) => number;

const byMethod =
  (method: GateMethod): Score =>
  ({ input }) =>
    gateScore({ method }, input);
const byClassifier =
  (classifier: Classifier): Score =>
  ({ input }) =>
    probabilityOf(classifier, featuresOf(input));

/** The gates; the last two are controls. Popularity is that of the training data, which only the world's maker knows. */
const gatesOf = (trained: (rule: LabelRule) => Classifier): Readonly<Record<string, Score>> => ({
  classifier: byClassifier(trained("outcome")),
  "classifier, g − h": byClassifier(trained("benefit")),
  energy: byMethod("energy"),
  entropy: byMethod("entropy"),
  margin: byMethod("margin"),
  "self-reflection": byMethod("self-reflection"),
  popularity: ({ popularity }) => -popularity,
  "question length": ({ question }) => question.split(" ").length,
  random: byMethod("random"),
});

const judgedBy =
  (score: Score) =>
  (row: Row): GateSample => ({
    ...{ score: score(row), plain: Number(row.plain.right), retrieved: Number(row.retrieved.right) },
  });

/** Accuracy of never, always and a gate on some of the questions. */
function group(rows: readonly Row[], score: Score, threshold: number) {
  const samples = rows.map(judgedBy(score));
  const { rate, accuracy } = atThreshold(samples, threshold);
  const never = mean(samples.map(({ plain }) => plain));
  const always = mean(samples.map(({ retrieved }) => retrieved));
  return { questions: rows.length, never, always, gated: accuracy, rate };
}

/** Rates at which a gate costs as much as always: predicted from mean costs, and counted question by question. */
function crossing(rows: readonly Row[], score: Score, costs: GateCosts) {
  const always = rows.reduce((sum, { retrieved }) => sum + retrieved.flops, 0);
  const ordered = rows.toSorted((a, b) => score(b) - score(a));
  let total = rows.reduce((sum, { plain }) => sum + costs.gate + plain.flops, 0);
  let looked = 0;
  for (const { plain, retrieved, probe } of ordered) {
    total += retrieved.flops + probe.flops - plain.flops;
    if (total > always) break;
    looked++;
  }
  return { gate: costs.gate / costs.extra, predicted: breakEven(costs), counted: looked / rows.length };
}

/** Costs of a gate, as shares of what retrieval adds. */
const RAISED = [0, 0.1, 0.25, 0.5] as const;

function costResults(all: readonly Row[], test: readonly Row[], run: GatedRun) {
  const own = signalFlops(run.vocabulary);
  const partsOf = (rows: readonly Row[], unit: "flops" | "ms", gate: number) =>
    costsOf(
      rows.map(({ plain, retrieved }) => ({ plain: plain[unit], retrieved: retrieved[unit] })),
      gate,
      mean(rows.map(({ probe }) => probe[unit])),
    );
  const rate = run.retrieved / run.questions;
  const [flops, ms] = [partsOf(all, "flops", own), partsOf(all, "ms", 0)];
  const on = partsOf(test, "flops", own);
  return {
    rate,
    flops: { parts: flops, predicted: gatedCost(flops, rate), measured: run.flops / run.questions + own },
    ms: { parts: ms, predicted: gatedCost(ms, rate), measured: run.ms / run.questions },
    search: { flops: mean(all.map(({ search }) => search.flops)), ms: mean(all.map(({ search }) => search.ms)) },
    break_even: RAISED.map((raised) => crossing(test, byMethod("margin"), { ...on, gate: own + raised * on.extra })),
  };
}

const gatesFrom = (calibration: readonly Row[]): Readonly<Record<string, Score>> => {
  const features = calibration.map((row) => ({ values: featuresOf(row.input), ...judgedBy(() => 0)(row) }));
  return gatesOf((rule) => fitClassifier(features, rule));
};

/** The rate that the goal allows. */
const GOAL = 0.6;

/** All questions, each decided by a threshold from the other half at the goal's rate, against always retrieving. */
function bothWays(halves: readonly [readonly Row[], readonly Row[]]) {
  const [even, odd] = [gatesFrom(halves[0]), gatesFrom(halves[1])];
  return Object.keys(even).map((gate) => {
    const ways = [
      { score: even[gate]!, from: halves[0], to: halves[1] },
      { score: odd[gate]!, from: halves[1], to: halves[0] },
    ];
    const points = ways.flatMap(({ score, from, to }) => {
      const threshold = thresholdForRate(from.map(score), GOAL);
      return to.map((row) => ({ ...judgedBy(score)(row), looksUp: score(row) >= threshold }));
    });
    const deltas = points.map(({ looksUp, plain, retrieved }) => (looksUp ? 0 : plain - retrieved));
    const over = bootstrap(
      deltas.map((delta) => [delta]),
      (parts) => mean(parts.map(([delta]) => delta!)),
      { seed: 0 },
    );
    return { gate, rate: mean(points.map(({ looksUp }) => Number(looksUp))), delta: over.quality, ci95: over.ci95 };
  });
}

function world(folder: string) {
  const read = <T>(name: string): T[] =>
    readFileSync(join(folder, name), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as T);
  const all = read<Row>("answers.jsonl");
  const [calibration, test] = [all.filter(({ entity }) => !isTest(entity)), all.filter(({ entity }) => isTest(entity))];
  const gates = gatesFrom(calibration);
  const results: GateResult[] = Object.entries(gates).map(([name, score]) =>
    evaluateGate(name, calibration.map(judgedBy(score)), test.map(judgedBy(score))),
  );
  const best = results[0]!;
  const groups = {
    all: test,
    known: test.filter(({ known }) => known),
    unknown: test.filter(({ known }) => !known),
    "known, poisoned": test.filter(({ known, poisoned }) => known && poisoned),
  };
  return {
    questions: { calibration: calibration.length, test: test.length },
    covered: mean(test.map(({ covered }) => Number(covered))),
    groups: Object.fromEntries(
      Object.entries(groups).map(([name, rows]) => [
        name,
        group(rows, gates["classifier"]!, best.by_accuracy.threshold),
      ]),
    ),
    gates: results,
    both_ways: bothWays([calibration, test]),
    cost: costResults(all, test, read<GatedRun>("gated.json")[0]!),
    switched: read<Switched>("switched.json")[0]!,
  };
}

/** A judged world. */
export type World = ReturnType<typeof world>;

const FOLDER = "research/expertrag/closed-world";
const worlds = process.argv.slice(2).map(world);
const rounded = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
mkdirSync(join(root, FOLDER), { recursive: true });
writeFileSync(join(root, FOLDER, "worlds.json"), `${JSON.stringify(worlds, rounded, 1)}\n`);
writeSection(`${FOLDER}/README.md`, "expertrag/closed-world/results", section(worlds));
