import { type GateSample, thresholdFrom } from "../../pipelines/answer/gate/calibrate.ts";
import { fitClassifier, type LabelRule, probabilityOf } from "../../pipelines/answer/gate/classifier.ts";
import { costsOf, gatedCost } from "../../pipelines/answer/gate/cost.ts";
import { featuresOf, type GateInput } from "../../pipelines/answer/gate/features.ts";
import { type GateMethod, gateMethods, gateScore, readsOf } from "../../pipelines/answer/gate/gate.ts";
import { signalFlops } from "../../pipelines/answer/gate/signals.ts";
import { UserError } from "../../util/errors.ts";
import { mean } from "../../util/mean.ts";
import { type Estimate, pairedDelta } from "../metrics/bootstrap.ts";
import { meanOfParts } from "../metrics/sums.ts";
import { evaluateGate, type GateResult } from "./gate-quality.ts";

interface Branch {
  readonly contains: boolean;
  readonly exact: boolean;
  readonly tokens: { readonly prompt: number; readonly completion: number };
  readonly flops: number;
  readonly ms: number;
}

/** A question of a set, answered with and without passages, and the inputs of the gates. */
export interface ComparedQuestion {
  readonly set: string;
  readonly id: string;
  readonly question: string;
  readonly plain: Branch;
  readonly retrieved: Branch;
  /** The cost of self-reflection; absent if the model has no tokens for yes and no. */
  readonly reflection?: { readonly flops: number; readonly ms: number };
  /** The prompt and the first token of the plain answer. */
  readonly probe: { readonly flops: number; readonly ms: number };
  readonly input: Omit<GateInput, "question">;
  readonly covered: boolean;
}

/** A decision rule applied to all questions; each half's thresholds come from the other half. */
export interface Policy {
  readonly policy: string;
  readonly rate: number;
  readonly accuracy: number;
  readonly tokens: number;
  readonly flops: number;
  /** The FLOPs that the rate and the mean costs of both branches predict. */
  readonly predicted_flops: number;
  readonly ms: number;
  /** Accuracy minus the accuracy of always retrieving. */
  readonly delta: Estimate;
  /** Accuracy and lookup rate, reweighted to the coverage of all questions. */
  readonly natural: { readonly accuracy: number; readonly rate: number };
}

type GateReport = Pick<GateResult, "gate" | "auroc" | "above_random" | "above_random_shuffled"> & {
  /** Looks up half of the questions; `by_accuracy` looks up the fewest that match the accuracy of always retrieving. */
  readonly half: Policy;
  readonly by_accuracy: Policy;
};

/** Results of gates and fixed policies on the same answers. */
export interface LookupReport {
  readonly model: string;
  readonly by_set: Record<string, number>;
  /** The share of questions whose answer is in three passages: among the selected questions, and among all. */
  readonly coverage: { readonly here: number; readonly all: number };
  readonly right: Record<"never" | "always", { readonly contains: number; readonly exact: number }>;
  readonly covered: Record<"never" | "always", number>;
  readonly uncovered: Record<"never" | "always", number>;
  /** Shares of questions whose answers retrieval corrects or makes wrong. */
  readonly fixes: number;
  readonly breaks: number;
  readonly gates: readonly GateReport[];
  /** Policies that need no calibration. */
  readonly policies: readonly Policy[];
}

export const inputOf = ({ question, input }: ComparedQuestion): GateInput => ({ ...input, question });

type Score = (row: ComparedQuestion) => number;
const byMethod =
  (method: GateMethod): Score =>
  (row) =>
    gateScore({ method }, inputOf(row));

function byClassifier(rows: readonly ComparedQuestion[], rule: LabelRule): Score | undefined {
  try {
    const classifier = fitClassifier(
      rows.map((row) => ({ ...outcomeOf(row), values: featuresOf(inputOf(row)) })),
      rule,
    );
    return (row) => probabilityOf(classifier, featuresOf(inputOf(row)));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

export const outcomeOf = ({ plain, retrieved }: ComparedQuestion) => ({
  plain: Number(plain.contains),
  retrieved: Number(retrieved.contains),
});

/** The gates; the last two are controls. */
const gatesOf = (calibration: readonly ComparedQuestion[]): Readonly<Record<string, Score | undefined>> => ({
  classifier: byClassifier(calibration, "outcome"),
  "classifier, g − h": byClassifier(calibration, "benefit"),
  energy: byMethod("energy"),
  entropy: byMethod("entropy"),
  margin: byMethod("margin"),
  "self-reflection": calibration.some(({ reflection }) => reflection === undefined)
    ? undefined
    : byMethod("self-reflection"),
  popularity: byMethod("popularity"),
  "question length": ({ question }) => question.split(" ").length,
  random: byMethod("random"),
});

/** A gate's cost on a question, including the model calls that it causes. */
function gateCost(gate: string, { probe, reflection }: ComparedQuestion, vocabulary: number, looked: boolean) {
  const reads = gateMethods.find((method) => gate.startsWith(method));
  const of = reads ? readsOf(reads) : [];
  const signals = of.includes("signals");
  // A started plain answer continues if nothing is retrieved.
  const waste = signals && looked ? probe : { flops: 0, ms: 0 };
  const reflected = (of.includes("reflection") && reflection) || { flops: 0, ms: 0 };
  return {
    flops: (signals ? signalFlops(vocabulary) : 0) + waste.flops + reflected.flops,
    ms: waste.ms + reflected.ms,
  };
}

/** Inputs of the policies' costs and shares, besides the questions. */
interface PolicyTerms {
  /** The size of the model's vocabulary. */
  readonly vocabulary: number;
  /** Share of all questions that the passages answer; it may be higher among the selected questions. */
  readonly coverage: number;
}

/** Judges a policy's decisions on all rows against always retrieving. */
function policyOf(
  policy: string,
  rows: readonly ComparedQuestion[],
  looks: readonly boolean[],
  { vocabulary, coverage }: PolicyTerms,
): Policy {
  const chosen = rows.map((row, i) => {
    const looked = looks[i]!;
    const branch = looked ? row.retrieved : row.plain;
    const cost = gateCost(policy, row, vocabulary, looked);
    return { looked, branch, covered: row.covered, flops: branch.flops + cost.flops, ms: branch.ms + cost.ms };
  });
  const right = chosen.map(({ branch }) => [Number(branch.contains)]);
  const always = rows.map(({ retrieved }) => [Number(retrieved.contains)]);
  const { mean: by, ci95 } = pairedDelta(right, always, meanOfParts, { seed: 0 });
  const rate = mean(looks.map(Number));
  const measured = rows.map(({ plain, retrieved }) => ({ plain: plain.flops, retrieved: retrieved.flops }));
  const gating = mean(chosen.map(({ flops, branch }) => flops - branch.flops));
  return {
    ...{ policy, rate, accuracy: meanOfParts(right) },
    tokens: mean(chosen.map(({ branch: { tokens } }) => tokens.prompt + tokens.completion)),
    flops: mean(chosen.map(({ flops }) => flops)),
    predicted_flops: gatedCost(costsOf(measured, gating), rate),
    ms: mean(chosen.map(({ ms }) => ms)),
    delta: { mean: by, ci95 },
    natural: {
      accuracy: natural(chosen, coverage, ({ branch }) => Number(branch.contains)),
      rate: natural(chosen, coverage, ({ looked }) => Number(looked)),
    },
  };
}

/** Splits each set in halves, dealing its covered questions alternately, then its uncovered questions. */
function halvesOf(
  rows: readonly ComparedQuestion[],
): readonly [readonly ComparedQuestion[], readonly ComparedQuestion[]] {
  const kindOf = ({ set, covered }: ComparedQuestion) => `${set} ${covered}`;
  const strata = [...new Set(rows.map(kindOf))].map((kind) => rows.filter((row) => kindOf(row) === kind));
  const half = (rest: number) => strata.flatMap((stratum) => stratum.filter((_, i) => i % 2 === rest));
  return [half(0), half(1)];
}

/** A mean over rows, reweighted to the coverage of all questions. */
function natural<T extends Pick<ComparedQuestion, "covered">>(
  rows: readonly T[],
  coverage: number,
  of: (row: T) => number,
): number {
  const over = (covered: boolean) => mean(rows.filter((row) => row.covered === covered).map(of));
  if (rows.every(({ covered }) => covered === rows[0]!.covered)) return mean(rows.map(of));
  return coverage * over(true) + (1 - coverage) * over(false);
}

const rightOf = (rows: readonly ComparedQuestion[]) => ({
  never: mean(rows.map(({ plain }) => Number(plain.contains))),
  always: mean(rows.map(({ retrieved }) => Number(retrieved.contains))),
});

const judgedBy =
  (score: Score) =>
  (row: ComparedQuestion): GateSample => ({ ...outcomeOf(row), score: score(row) });

/** Judges a gate on each half, fitted on the other half. Undefined if a classifier cannot be fitted. */
function gateReport(gate: string, halves: ReturnType<typeof halvesOf>, terms: PolicyTerms): GateReport | undefined {
  const folds = [
    { on: halves[0], by: halves[1] },
    { on: halves[1], by: halves[0] },
  ].map(({ on, by }) => ({ on, by, score: gatesOf(by)[gate] }));
  const rows = halves.flat();
  const samples: GateSample[] = [];
  const looks: Record<"half" | "by_accuracy", boolean[]> = { half: [], by_accuracy: [] };
  for (const { on, by, score } of folds) {
    if (!score) return undefined;
    const calibration = by.map(judgedBy(score));
    const scored = on.map(judgedBy(score));
    const half = thresholdFrom(calibration, { by: "rate", rate: 0.5, benefit: 1, charged: "every" });
    const accuracy = thresholdFrom(calibration, { by: "accuracy", benefit: 1, charged: "every" });
    looks.half.push(...scored.map((one) => !(one.score < half)));
    looks.by_accuracy.push(...scored.map((one) => !(one.score < accuracy)));
    samples.push(...scored);
  }
  const { auroc, above_random, above_random_shuffled } = evaluateGate(gate, samples, samples);
  return {
    ...{ gate, auroc, above_random, above_random_shuffled },
    half: policyOf(gate, rows, looks.half, terms),
    by_accuracy: policyOf(gate, rows, looks.by_accuracy, terms),
  };
}

/** Judges policies and gates on questions answered with and without passages. */
export function judgeLookups(
  model: string,
  rows: readonly ComparedQuestion[],
  { vocabulary, coverage }: { readonly vocabulary: number; readonly coverage?: number | undefined },
): LookupReport {
  const here = mean(rows.map(({ covered }) => Number(covered)));
  const terms = { vocabulary, coverage: coverage ?? here };
  const halves = halvesOf(rows);
  const sets = [...new Set(rows.map(({ set }) => set))];
  const of = (key: "contains" | "exact") => (branch: "plain" | "retrieved") =>
    mean(rows.map((row) => Number(row[branch][key])));
  const at = (name: string, looks: (row: ComparedQuestion) => boolean) => policyOf(name, rows, rows.map(looks), terms);
  return {
    model,
    by_set: Object.fromEntries(sets.map((set) => [set, rows.filter((row) => row.set === set).length])),
    coverage: { here, all: terms.coverage },
    right: {
      never: { contains: of("contains")("plain"), exact: of("exact")("plain") },
      always: { contains: of("contains")("retrieved"), exact: of("exact")("retrieved") },
    },
    covered: rightOf(rows.filter(({ covered }) => covered)),
    uncovered: rightOf(rows.filter(({ covered }) => !covered)),
    fixes: mean(rows.map(({ plain, retrieved }) => Number(!plain.contains && retrieved.contains))),
    breaks: mean(rows.map(({ plain, retrieved }) => Number(plain.contains && !retrieved.contains))),
    gates: Object.keys(gatesOf([])).flatMap((gate) => gateReport(gate, halves, terms) ?? []),
    policies: [
      at("never", () => false),
      at("always", () => true),
      at("margin ≥ 0.5, uncalibrated", (row) => !(gateScore({ method: "margin" }, inputOf(row)) < 0.5)),
    ],
  };
}
