import { z } from "zod";
import { readOptionalJson } from "../../weights/json-file.ts";
import type { TrainOptions } from "../options.ts";
import { optionsOf, receiptFile } from "../session/folder.ts";
import { readMetrics } from "../session/metrics.ts";
import type { TrainingReceipt } from "../session/receipt.ts";
import type { StepReport } from "../session/run.ts";

/** A run as stored in its folder. */
export interface TrainedRun {
  readonly out: string;
  readonly options: TrainOptions;
  readonly steps: readonly StepReport[];
  /** The receipt; undefined for an unfinished run. */
  readonly receipt: TrainingReceipt | undefined;
}

export interface TrainingSummary {
  readonly out: string;
  /** Steps done. */
  readonly steps: number;
  readonly tokens: number;
  /** The number of samples in all steps, with repetitions. */
  readonly samples: number;
  readonly ended: "steps" | "patience" | "unfinished";
  /** Losses in nats per label, as in a run's result; undefined before the first step. */
  readonly loss?: { readonly first: number; readonly last: number; readonly best: number };
  /** True if `best` is a held-out loss. */
  readonly heldOut?: boolean;
  /** Each lab task's metric for the weights that a finished run wrote. */
  readonly tasks?: Readonly<Record<string, number>>;
  readonly receipt?: TrainingReceipt;
}

const receipt = z.custom<TrainingReceipt>(
  (value) => typeof value === "object" && value !== null && "flops" in value,
  "expected a training run's receipt",
);

/** Reads a run from its folder. @throws UserError if the folder contains no run */
export const readTrainedRun = (out: string): TrainedRun => ({
  out,
  options: optionsOf(out),
  steps: readMetrics(out),
  receipt: readOptionalJson(receiptFile(out), receipt),
});

export function summaryOf({ out, options, steps, receipt }: TrainedRun): TrainingSummary {
  const [first, last] = [steps[0], steps.at(-1)];
  const ended: TrainingSummary["ended"] = receipt === undefined ? "unfinished" : (last?.ended ?? "steps");
  const summary = {
    out,
    steps: steps.length,
    tokens: last?.tokens ?? 0,
    samples: last?.samples ?? 0,
    ended,
    ...(receipt && { receipt }),
  };
  if (!first || !last) return summary;
  const heldOut = steps.flatMap(({ validation }) => validation ?? []);
  const best = heldOut.length > 0 ? Math.min(...heldOut) : last.loss;
  const tasks = steps.findLast((report) => report.tasks && (report.best || !options.keepBest))?.tasks;
  return {
    ...summary,
    loss: { first: first.loss, last: last.loss, best },
    heldOut: heldOut.length > 0,
    ...(tasks && { tasks }),
  };
}
