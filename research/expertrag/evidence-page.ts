/** Judges gates that read what a search found, and writes their table: `npx tsx research/expertrag/evidence-page.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ComparedQuestion, inputOf, outcomeOf } from "../../src/lab/lookup/policies.ts";
import { bootstrap } from "../../src/lab/metrics/bootstrap.ts";
import { auroc } from "../../src/lab/metrics/index.ts";
import { thresholdForRate } from "../../src/pipelines/answer/gate/calibrate.ts";
import { gateScore } from "../../src/pipelines/answer/gate/gate.ts";
import { mean } from "../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { interval, signed } from "../common/figures.ts";
import { jsonRows } from "../first/json-rows.ts";
import { answeredRows, EVIDENCE, type EvidenceRow, keyOf } from "./evidence-rows.ts";

export const PAGE = "research/expertrag/real/README.md";
export const SECTION = "expertrag/evidence";
const RATES = [0.25, 0.5];
const SEEDS = 20;

export const gates = ["ms-marco", "bge-small", "popularity", "margin", "random"] as const;
type Gate = (typeof gates)[number];

/** A question with what gates read of it. */
interface Question {
  readonly row: ComparedQuestion;
  readonly evidence: EvidenceRow;
}

export function questions(): Question[] {
  const found = new Map(jsonRows<EvidenceRow>(EVIDENCE).map((row) => [keyOf(row), row]));
  return answeredRows().flatMap((row) => {
    const evidence = found.get(keyOf(row));
    return evidence ? [{ row, evidence }] : [];
  });
}

function scoreOf(gate: Gate, { row, evidence }: Question): number {
  switch (gate) {
    case "ms-marco":
    case "bge-small":
      return Math.max(...evidence[gate].scores);
    case "popularity":
    case "margin":
    case "random":
      return gateScore({ method: gate }, inputOf(row));
  }
}

/** Deals a set's covered questions to the two halves alternately, then the uncovered ones. */
function halves(all: readonly Question[]): readonly [Question[], Question[]] {
  const kindOf = ({ row: { set, covered } }: Question) => `${set} ${covered}`;
  const strata = [...new Set(all.map(kindOf))].map((kind) => all.filter((one) => kindOf(one) === kind));
  const half = (rest: number) => strata.flatMap((stratum) => stratum.filter((_, i) => i % 2 === rest));
  return [half(0), half(1)];
}

/** The questions that a gate looks up, with thresholds from the other half. */
function decisions(gate: Gate, all: readonly Question[], rate: number): ReadonlyMap<Question, boolean> {
  const [one, other] = halves(all);
  const on = (some: readonly Question[], by: readonly Question[]) => {
    const threshold = thresholdForRate(
      by.map((question) => scoreOf(gate, question)),
      rate,
    );
    return some.map((question) => [question, scoreOf(gate, question) >= threshold] as const);
  };
  return new Map([...on(one, other), ...on(other, one)]);
}

const rightIf = ({ row }: Question, looked: boolean): number => outcomeOf(row)[looked ? "retrieved" : "plain"];

/** The mean of right answers over random choices of as many questions. */
function randomRight(all: readonly Question[], looked: number): number[] {
  const draws = Array.from({ length: SEEDS }, (_, seed) => {
    const chosen = new Set(shuffle([...all.keys()], seededRandom(seed)).slice(0, looked));
    return all.map((question, i) => rightIf(question, chosen.has(i)));
  });
  return all.map((_, i) => mean(draws.map((draw) => draw[i]!)));
}

/** The share of all questions that three passages cover, either set counting half. */
function coverage(): number {
  const file = join(root, "research/expertrag/real/coverage.json");
  const { sets } = JSON.parse(readFileSync(file, "utf8")) as { sets: Record<string, { readonly top_3: number }> };
  return mean(Object.values(sets).map(({ top_3 }) => top_3));
}

/** A gate at a rate: its look-ups and right answers, and its gain over random gates with the same share. */
export function judged(gate: Gate, all: readonly Question[], rate: number) {
  const looks = decisions(gate, all, rate);
  const looked = all.filter((question) => looks.get(question)).length;
  const random = randomRight(all, looked);
  const parts = all.map((question, i) => {
    const right = rightIf(question, looks.get(question)!);
    return [right - random[i]!, Number(question.row.covered), right, right - rightIf(question, true)];
  });
  const share = coverage();
  const over = (part: 0 | 2) => (some: readonly (readonly number[])[]) => mean(some.map((one) => one[part]!));
  const natural = (part: 0 | 2 | 3) => (some: readonly (readonly number[])[]) => {
    const of = (covered: number) => mean(some.filter((one) => one[1] === covered).map((one) => one[part]!));
    return share * of(1) + (1 - share) * of(0);
  };
  return {
    rate: looked / all.length,
    right: over(2)(parts),
    gain: bootstrap(parts, over(0), { seed: 0 }),
    natural: natural(2)(parts),
    naturalGain: bootstrap(parts, natural(0), { seed: 0 }),
    overAlways: bootstrap(parts, natural(3), { seed: 0 }),
  };
}

/** The chance that a question that only retrieval answers scores above another. */
function areaOf(gate: Gate, all: readonly Question[]) {
  const parts = all.map((question) => {
    const { plain, retrieved } = outcomeOf(question.row);
    const score = scoreOf(gate, question);
    return [Number(retrieved > plain), -score, score];
  });
  return bootstrap(parts, auroc.quality, { seed: 0, ...(auroc.resampled && { resampled: auroc.resampled }) });
}

const gainText = ({ quality, ci95 }: ReturnType<typeof judged>["gain"]): string =>
  `${signed(quality)} ${interval(ci95)}`;

export function section(): string {
  const all = questions();
  const lines = gates.flatMap((gate) => {
    const { quality, ci95 } = areaOf(gate, all);
    return RATES.map((rate, i) => {
      const { rate: looked, right, gain, natural, naturalGain, overAlways } = judged(gate, all, rate);
      return [
        `\`${gate}\``,
        i === 0 ? `${quality.toFixed(3)} ${interval(ci95)}` : "",
        `${(100 * looked).toFixed(0)} %`,
        ...[right.toFixed(3), gainText(gain), natural.toFixed(3), gainText(naturalGain), gainText(overAlways)],
      ];
    });
  });
  const here = ["gate", "AUROC", "looked up", "right", "over random"];
  const head = [...here, "right, reweighted", "over random", "over always"];
  return `${all.length} questions:\n\n${markdownTable(head, lines)}`;
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, section());
