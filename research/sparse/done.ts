import path from "node:path";
import { z } from "zod";
import { root } from "../../tools/section.ts";
import { doneRunsIn } from "../common/done-runs.ts";

/** A run that is done, a line of `runs.jsonl`. */
export const doneRun = z.object({
  part: z.enum(["schedules", "law"]),
  name: z.string(),
  seed: z.int(),
  method: z.string(),
  steps: z.int(),
  tokens: z.int(),
  /** Prunable weights: at the start, on average over the steps, at the end. */
  first: z.number(),
  mean: z.number(),
  last: z.number(),
  /** Nats per symbol of the held-out text. */
  loss: z.number(),
  flops: z.number(),
  minutes: z.number(),
});
export type DoneRun = z.output<typeof doneRun>;

/** The results, one line per run. */
export const RUNS = path.join(root, "research/sparse/results/runs.jsonl");

export const doneRuns = (): DoneRun[] => doneRunsIn(RUNS, doneRun);
