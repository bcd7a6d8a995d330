import { decimals } from "../../util/printable.ts";
import type { TrainingSummary } from "./run.ts";

/** A table of runs: a heading, then one row of texts per run. */
export function summaryRows(runs: readonly TrainingSummary[]): string[][] {
  const tasks = [...new Set(runs.flatMap((run) => Object.keys(run.tasks ?? {})))];
  const names = tasks.map((name) => name.toUpperCase());
  const losses = ["FIRST LOSS", "LAST", "BEST HELD OUT"];
  const head = ["RUN", "STEPS", "TOKENS", "SAMPLES", ...losses, ...names, "FLOPS", "SAVED", "PROMPTS", "ENDED"];
  return [head, ...runs.map((run) => rowOf(run, tasks))];
}

const rowOf = (
  { out, steps, tokens, samples, loss, heldOut, tasks, receipt, ended }: TrainingSummary,
  names: readonly string[],
): string[] => [
  ...[out, `${steps}`, `${tokens}`, `${samples}`],
  ...[fourDigits(loss?.first), fourDigits(loss?.last), heldOut ? fourDigits(loss?.best) : ""],
  ...names.map((name) => fourDigits(tasks?.[name])),
  ...(receipt ? [flopsText(receipt.flops.spent), savedText(receipt.flops.saved)] : ["", ""]),
  receipt?.prompts?.prompt ?? "",
  endings[ended],
];

/** The ways in which a run ends, as text. */
const endings: Readonly<Record<TrainingSummary["ended"], string>> = {
  steps: "all steps",
  patience: "early",
  unfinished: "not finished",
};

/** Formats a number. A skipped step's loss is not finite, which JSON stores as null. */
export const fourDigits = (value: number | null | undefined): string => (value == null ? "" : decimals(value, 4));
export const flopsText = (flops: number): string => flops.toExponential(3);
export const savedText = (share: number): string => `${decimals(100 * share, 1)} %`;
