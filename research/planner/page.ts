/** The tables of the study: `npx tsx research/planner/page.ts` writes them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import type { ArmRow } from "./arm-rows.ts";
import type { FrozenResult } from "./frozen.ts";
import type { Result } from "./measure.ts";
import type { PlannerRow, StepRow } from "./plan-rows.ts";
import { seedRows } from "./seed-rows.ts";
import { seedTables } from "./seed-tables.ts";
import type { World } from "./worlds/world.ts";

export const PAGE = "research/planner/README.md";
export const SECTION = "planner-results";
const RESULTS = "research/planner/results";

const three = (value: number): string => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(3)}`;
const signed = (value: number): string => (value > 0 ? `+${three(value)}` : three(value));
const interval = ([low, high]: readonly [number, number], of = three): string => `[${of(low)}, ${of(high)}]`;
const flops = (value: number): string => value.toExponential(1).replace("e+", "e");
const share = ({ accuracy, ci95 }: { accuracy: number; ci95: readonly [number, number] }): string =>
  `${three(accuracy)} ${interval(ci95)}`;

/** Accuracy of every arm, its gain over the executor alone, and what the latent plan gains over it. */
const armsTable = (rows: readonly ArmRow[]): string =>
  markdownTable(
    [
      "in the plan's place",
      "accuracy",
      "over none",
      "latent plan over it",
      "plan + answer tokens",
      "passes",
      "FLOPs",
      "ms",
    ],
    rows.map((row) => [
      ...[row.arm, share(row), `${signed(row.gain.mean)} ${interval(row.gain.ci95, signed)}`],
      `${signed(row.latentGain.mean)} ${interval(row.latentGain.ci95, signed)}`,
      `${row.planTokens.toFixed(0)} + ${row.answerTokens.toFixed(1)}`,
      ...[row.passes.toFixed(1), flops(row.flops), row.ms.toFixed(1)],
    ]),
  );

/** The words of a world. */
interface Words {
  readonly title: string;
  readonly task: ArmRow["task"];
  readonly questions: string;
  readonly first: string;
  readonly whole: string;
}
const WORLDS: Readonly<Record<Exclude<World["name"], "words">, Words>> = {
  "star-graphs": {
    ...{ title: "Star graphs", task: "star-graph", questions: "Paths of", first: "first hop", whole: "whole path" },
  },
  countdown: {
    ...{ title: "Countdown", task: "countdown", questions: "Plans of", first: "first step", whole: "whole plan" },
  },
};

const plannersTable = (rows: readonly PlannerRow[], { first, whole }: Words): string =>
  markdownTable(
    ["trained by", first, whole],
    rows.map(({ model, hop, path }) => [model, share(hop), share(path)]),
  );

const settingOf = ({ setting }: StepRow): string =>
  Object.entries(setting)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");

const stepsTable = (rows: readonly StepRow[], { first, whole }: Words): string =>
  markdownTable(
    ["filling in", first, whole, "passes", "FLOPs", "tokens as without a cache"],
    rows.map((row) => [
      ...[settingOf(row), share(row.hop), three(row.path.accuracy), row.passes.toFixed(1), flops(row.flops)],
      row.sameTokens === undefined ? "" : `${(100 * row.sameTokens).toFixed(1)} %`,
    ]),
  );

const of = ({ arms }: Result, executor: ArmRow["executor"], task: ArmRow["task"]): ArmRow[] =>
  arms.filter((row) => row.executor === executor && row.task === task);

/** All tables of a world's result. */
function planTables(result: Result, words: Words): string {
  const { title, task, questions } = words;
  const by = (share: number | undefined) => (share === undefined ? "" : ` (${three(share)} by guessing)`);
  const [own, facts] = [task, "look-up" as const].map((kind) => by(result.chance?.[kind]));
  const parts: readonly [string, string][] = [
    [
      `${questions} ${result.questions} questions, by the planner, and by the executor with half plans, token by token:`,
      plannersTable(result.planners, words),
    ],
    [`${title}${own}, the executor trained with half plans:`, armsTable(of(result, "half plans", task))],
    [`${title}, the executor that never saw a plan:`, armsTable(of(result, "no plans", task))],
    [`Look-ups${facts}, the executor trained with half plans:`, armsTable(of(result, "half plans", "look-up"))],
    ["Look-ups, the executor that never saw a plan:", armsTable(of(result, "no plans", "look-up"))],
    ["The planner alone, by how it fills in:", stepsTable(result.steps, words)],
  ];
  return parts.map(([head, table]) => `${head}\n\n${table}`).join("\n\n");
}

/** Tables of a published model as the frozen executor. */
function frozenTables({ executor, questions, projectorSamples, arms, steps }: FrozenResult): string {
  const words = WORLDS["star-graphs"];
  return [
    `${questions} questions, ${executor} frozen, projectors of ${projectorSamples} samples:`,
    armsTable(arms),
    "The planner alone, by how it fills in:",
    stepsTable(steps, words),
  ].join("\n\n");
}

/** A result's tables under its title. */
function part<T>(title: string, name: string, tables: (result: T) => string): string {
  const file = join(root, RESULTS, `${name}.json`);
  const text = existsSync(file) ? tables(JSON.parse(readFileSync(file, "utf8"))) : "Not measured yet.";
  return `### ${title}\n\n${text}`;
}

/** The section: a part for each world. */
export const section = (): string =>
  [
    ...Object.entries(WORLDS).map(([name, words]) =>
      part<Result>(words.title, name, (result) => planTables(result, words)),
    ),
    part("A chat model as the executor", "frozen", frozenTables),
    ...(seedRows().length > 0 ? [`### A chat model as the executor, with all controls\n\n${seedTables()}`] : []),
  ].join("\n\n");

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, section());
