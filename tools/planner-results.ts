/** The tables of docs/pipelines/planner.md from docs/results/planner/star-graphs.json: `npx tsx tools/planner-results.ts` writes them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ArmRow, PlannerRow, Result, StepRow } from "./planner/measure.ts";
import { markdownTable, root, writeSection } from "./section.ts";

export const PAGE = "docs/pipelines/planner.md";
export const SECTION = "planner-results";
export const RESULT = "docs/results/planner/star-graphs.json";

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

const plannersTable = (rows: readonly PlannerRow[]): string =>
  markdownTable(
    ["trained by", "first hop", "whole path"],
    rows.map(({ model, hop, path }) => [model, share(hop), share(path)]),
  );

const settingOf = ({ setting }: StepRow): string =>
  Object.entries(setting)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");

const stepsTable = (rows: readonly StepRow[]): string =>
  markdownTable(
    ["filling in", "first hop", "whole path", "passes", "FLOPs", "tokens as without a cache"],
    rows.map((row) => [
      ...[settingOf(row), share(row.hop), three(row.path.accuracy), row.passes.toFixed(1), flops(row.flops)],
      row.sameTokens === undefined ? "" : `${(100 * row.sameTokens).toFixed(1)} %`,
    ]),
  );

const of = ({ arms }: Result, executor: ArmRow["executor"], task: ArmRow["task"]): ArmRow[] =>
  arms.filter((row) => row.executor === executor && row.task === task);

/** All tables of a result. */
export function planTables(result: Result): string {
  const parts: readonly [string, string][] = [
    [
      `Paths of ${result.questions} graphs, by the planner, and by the executor with half plans, token by token:`,
      plannersTable(result.planners),
    ],
    ["Star graphs, the executor trained with half plans:", armsTable(of(result, "half plans", "star-graph"))],
    ["Star graphs, the executor that never saw a plan:", armsTable(of(result, "no plans", "star-graph"))],
    ["Look-ups, the executor trained with half plans:", armsTable(of(result, "half plans", "look-up"))],
    ["Look-ups, the executor that never saw a plan:", armsTable(of(result, "no plans", "look-up"))],
    ["The planner alone, by how it fills in:", stepsTable(result.steps)],
  ];
  return parts.map(([title, table]) => `${title}\n\n${table}`).join("\n\n");
}

export const readResult = (): Result | undefined =>
  existsSync(join(root, RESULT)) ? JSON.parse(readFileSync(join(root, RESULT), "utf8")) : undefined;

/** The section; it says so if nothing was measured yet. */
export const section = (): string => {
  const result = readResult();
  return result ? planTables(result) : "Not measured yet.";
};

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, section());
