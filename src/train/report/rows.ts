import type { TrainingSummary } from "./run.ts";

/** Runs as rows of text, a heading first. */
export function summaryRows(runs: readonly TrainingSummary[]): string[][] {
  const head = ["RUN", "STEPS", "TOKENS", "FIRST LOSS", "LAST", "BEST", "FLOPS", "SAVED", "ENDED"];
  return [head, ...runs.map(rowOf)];
}

const rowOf = ({ out, steps, tokens, loss, receipt, ended }: TrainingSummary): string[] => [
  ...[out, `${steps}`, `${tokens}`],
  ...[nats(loss?.first), nats(loss?.last), nats(loss?.best)],
  ...(receipt ? [flopsText(receipt.flops.spent), savedText(receipt.flops.saved)] : ["", ""]),
  endings[ended],
];

/** Words for the end of a run. */
export const endings: Readonly<Record<TrainingSummary["ended"], string>> = {
  steps: "all steps",
  patience: "early",
  unfinished: "not finished",
};

/** A step that was skipped has a loss that is no number: JSON holds it as null. */
export const nats = (loss: number | null | undefined): string => loss?.toFixed(4) ?? "";
export const flopsText = (flops: number): string => flops.toExponential(3);
export const savedText = (share: number): string => `${(100 * share).toFixed(1)} %`;
