/**
 * Judges every gate on answers to real questions, and writes `docs/results/expertrag/real` and its page.
 *
 *     npx tsx tools/expertrag/real.ts MODEL=ROWS.jsonl… [--ship]
 *
 * ROWS are of `tools/expertrag/answers.ts`. `--ship` also calibrates the gates that are better than chance on all rows,
 * and writes them into `models/`.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "../../src/index.ts";
import { pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { meanOfParts } from "../../src/lab/metrics/sums.ts";
import { bindingOf } from "../../src/library/answer-pipeline.ts";
import { calibrateAnswerOptions, calibratedOn, type JudgedQuestion } from "../../src/library/calibrate-answer.ts";
import { keepGate } from "../../src/pipelines/answer/gate/artefact.ts";
import type { Judged } from "../../src/pipelines/answer/gate/calibrate.ts";
import { fitClassifier, type LabelRule, probabilityOf } from "../../src/pipelines/answer/gate/classifier.ts";
import { featuresOf, type GateInput } from "../../src/pipelines/answer/gate/features.ts";
import { type GateMethod, gateMethods, gateScore, readsOf } from "../../src/pipelines/answer/gate/gate.ts";
import { signalFlops } from "../../src/pipelines/answer/gate/signals.ts";
import { UserError } from "../../src/util/errors.ts";
import { root, writeSection } from "../section.ts";
import { type Applied, type Estimate, evaluateGate, type GateResult } from "./evaluate.ts";
import { section } from "./real-tables.ts";

interface Branch {
  readonly contains: boolean;
  readonly exact: boolean;
  readonly tokens: { readonly prompt: number; readonly completion: number };
  readonly flops: number;
  readonly ms: number;
}

/** A question as `answers.ts` keeps it. */
interface Row {
  readonly set: string;
  readonly id: string;
  readonly question: string;
  readonly plain: Branch;
  readonly retrieved: Branch;
  readonly reflection: { readonly flops: number; readonly ms: number };
  /** The prompt and the first token of the plain answer. */
  readonly probe: { readonly flops: number; readonly ms: number };
  readonly input: Omit<GateInput, "question">;
  readonly covered: boolean;
}

export interface Policy extends Applied {
  readonly policy: string;
  readonly tokens: number;
  readonly flops: number;
  readonly ms: number;
  readonly delta: Estimate;
  /** Right, and looked up, if as many questions are covered as of all. */
  readonly natural: { readonly accuracy: number; readonly rate: number };
}

export interface RealResult {
  readonly model: string;
  readonly questions: { readonly calibration: number; readonly test: number; readonly by_set: Record<string, number> };
  /** Share of these questions, and of all, whose answer three passages have. */
  readonly coverage: { readonly here: number; readonly all: number };
  readonly right: Record<"never" | "always", { readonly contains: number; readonly exact: number }>;
  readonly covered: Record<"never" | "always", number>;
  readonly uncovered: Record<"never" | "always", number>;
  /** Shares of questions that retrieval puts right, and wrong. */
  readonly fixes: number;
  readonly breaks: number;
  readonly gates: readonly GateResult[];
  readonly policies: readonly Policy[];
}

const FOLDER = join(root, "docs/results/expertrag/real");

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const inputOf = ({ question, input }: Row): GateInput => ({ ...input, question });

type Score = (row: Row) => number;
const byMethod =
  (method: GateMethod): Score =>
  (row) =>
    gateScore({ method }, inputOf(row));

function byClassifier(rows: readonly Row[], rule: LabelRule): Score | undefined {
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

const outcomeOf = ({ plain, retrieved }: Row) => ({
  plain: Number(plain.contains),
  retrieved: Number(retrieved.contains),
});

/** The gates; the last two are controls. */
const gatesOf = (calibration: readonly Row[]): Readonly<Record<string, Score | undefined>> => ({
  classifier: byClassifier(calibration, "outcome"),
  "classifier, g − h": byClassifier(calibration, "benefit"),
  energy: byMethod("energy"),
  entropy: byMethod("entropy"),
  margin: byMethod("margin"),
  "self-reflection": byMethod("self-reflection"),
  popularity: byMethod("popularity"),
  "question length": ({ question }) => question.split(" ").length,
  random: byMethod("random"),
});

/** What a gate costs on a question, by the calls that it reads. */
function gateCost(gate: string, { probe, reflection }: Row, vocabulary: number, looked: boolean) {
  const reads = gateMethods.find((method) => gate.startsWith(method));
  const of = reads ? readsOf(reads) : [];
  const signals = of.includes("signals");
  // A plain answer that has begun goes on if nothing is retrieved.
  const waste = signals && looked ? probe : { flops: 0, ms: 0 };
  const asked = of.includes("reflection") ? reflection : { flops: 0, ms: 0 };
  return { flops: (signals ? signalFlops(vocabulary) : 0) + waste.flops + asked.flops, ms: waste.ms + asked.ms };
}

/** A gate at a threshold, on the test half, against always retrieving. */
function policyOf(policy: string, score: Score, threshold: number, rows: readonly Row[], vocabulary: number): Policy {
  const chosen = rows.map((row) => {
    const looked = !(score(row) < threshold);
    const branch = looked ? row.retrieved : row.plain;
    const cost = gateCost(policy, row, vocabulary, looked);
    return { looked, branch, covered: row.covered, flops: branch.flops + cost.flops, ms: branch.ms + cost.ms };
  });
  const right = chosen.map(({ branch }) => [Number(branch.contains)]);
  const { mean: by, ci95 } = pairedDelta(
    right,
    rows.map(({ retrieved }) => [Number(retrieved.contains)]),
    meanOfParts,
    { seed: 0 },
  );
  return {
    ...{ policy, threshold, rate: mean(chosen.map(({ looked }) => Number(looked))), accuracy: meanOfParts(right) },
    tokens: mean(chosen.map(({ branch: { tokens } }) => tokens.prompt + tokens.completion)),
    flops: mean(chosen.map(({ flops }) => flops)),
    ms: mean(chosen.map(({ ms }) => ms)),
    delta: { mean: by, ci95 },
    natural: {
      accuracy: natural(chosen, ({ branch }) => Number(branch.contains)),
      rate: natural(chosen, ({ looked }) => Number(looked)),
    },
  };
}

/** Questions of a set that are covered go to the halves in turn, and so do those that are not. */
function halvesOf(rows: readonly Row[]): { calibration: Row[]; test: Row[] } {
  const kindOf = ({ set, covered }: Row) => `${set} ${covered}`;
  const strata = [...new Set(rows.map(kindOf))].map((kind) => rows.filter((row) => kindOf(row) === kind));
  const half = (rest: number) => strata.flatMap((stratum) => stratum.filter((_, i) => i % 2 === rest));
  return { calibration: half(0), test: half(1) };
}

interface Coverage {
  readonly sets: Readonly<Record<string, { readonly top_3: number }>>;
}
const { sets: covering } = JSON.parse(readFileSync(join(FOLDER, "coverage.json"), "utf8")) as Coverage;

/** Coverage of all questions, either set counting half. */
const COVERAGE = mean(Object.values(covering).map(({ top_3 }) => top_3));

/** A mean over rows as if as many were covered as of all questions. */
function natural<T extends Pick<Row, "covered">>(rows: readonly T[], of: (row: T) => number): number {
  const over = (covered: boolean) => mean(rows.filter((row) => row.covered === covered).map(of));
  return COVERAGE * over(true) + (1 - COVERAGE) * over(false);
}

const rightOf = (rows: readonly Row[]) => ({
  never: mean(rows.map(({ plain }) => Number(plain.contains))),
  always: mean(rows.map(({ retrieved }) => Number(retrieved.contains))),
});

function judgedBy(score: Score): (row: Row) => Judged {
  return (row) => ({ ...outcomeOf(row), score: score(row) });
}

export function resultOf(model: string, rows: readonly Row[], vocabulary: number): RealResult {
  const { calibration, test } = halvesOf(rows);
  const sets = [...new Set(rows.map(({ set }) => set))];
  const of = (key: "contains" | "exact") => (branch: "plain" | "retrieved") =>
    mean(rows.map((row) => Number(row[branch][key])));
  const scores = Object.entries(gatesOf(calibration)).flatMap(([name, score]) =>
    score ? [[name, score] as const] : [],
  );
  const gates = scores.map(([name, score]) =>
    evaluateGate(name, calibration.map(judgedBy(score)), test.map(judgedBy(score))),
  );
  const at = (name: string, score: Score, threshold: number) => policyOf(name, score, threshold, test, vocabulary);
  return {
    model,
    questions: {
      ...{ calibration: calibration.length, test: test.length },
      by_set: Object.fromEntries(sets.map((set) => [set, rows.filter((row) => row.set === set).length])),
    },
    coverage: { here: mean(rows.map(({ covered }) => Number(covered))), all: COVERAGE },
    right: {
      never: { contains: of("contains")("plain"), exact: of("exact")("plain") },
      always: { contains: of("contains")("retrieved"), exact: of("exact")("retrieved") },
    },
    covered: rightOf(rows.filter(({ covered }) => covered)),
    uncovered: rightOf(rows.filter(({ covered }) => !covered)),
    fixes: mean(rows.map(({ plain, retrieved }) => Number(!plain.contains && retrieved.contains))),
    breaks: mean(rows.map(({ plain, retrieved }) => Number(plain.contains && !retrieved.contains))),
    gates,
    policies: [
      at("never", () => 0, 1),
      at("always", () => 1, 1),
      at("margin ≥ 0.5, uncalibrated", byMethod("margin"), 0.5),
      ...scores.map(([name, score], i) =>
        at(name, score, gates[i]!.by_rate.find(({ wanted }) => wanted === 0.5)!.threshold),
      ),
    ],
  };
}

/** Calibrates on all rows what the test half found better than chance; the best on the calibration half comes first. */
async function ship(model: string, rows: readonly Row[], { gates }: RealResult): Promise<void> {
  const better = gates.filter(({ auroc: { ci95 } }) => ci95[0] > 0.5).map(({ gate }) => gate);
  const methods = (["classifier", "margin", "entropy", "energy"] as const).filter((method) => better.includes(method));
  if (methods.length === 0) return void process.stderr.write(`${model}: no gate is better than chance\n`);
  using loaded = await load(model);
  const binding = await bindingOf(model, loaded, { quant: undefined, adapter: undefined });
  const judged: JudgedQuestion[] = rows.map((row) => ({ ...outcomeOf(row), input: inputOf(row) }));
  const data = {
    name: "TriviaQA and NQ-open",
    sha256: createHash("sha256")
      .update(JSON.stringify(rows.map(({ set, id }) => [set, id])))
      .digest("hex"),
    questions: rows.length,
  };
  const chosen = calibrateAnswerOptions.parse({});
  const folder = join(root, "models", model, "expertrag");
  mkdirSync(folder, { recursive: true });
  for (const method of methods)
    await keepGate(join(folder, "gates.json"), binding, calibratedOn(judged, method, chosen, data));
}

if (process.argv[1] === import.meta.filename) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { ship: { type: "boolean" } } });
  const VOCABULARY: Readonly<Record<string, number>> = { smollm2: 49152, "qwen2.5-coder": 151936 };
  const results: RealResult[] = [];
  for (const named of positionals) {
    const [model, file] = named.split("=") as [string, string];
    const rows = readFileSync(file, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Row);
    const result = resultOf(model, rows, VOCABULARY[model]!);
    results.push(result);
    writeFileSync(join(FOLDER, `${model}.json`), `${JSON.stringify(result, null, 1)}\n`);
    if (values.ship) await ship(model, rows, result);
  }
  writeSection("docs/results/expertrag/real/README.md", "expertrag/real", section(results));
}
