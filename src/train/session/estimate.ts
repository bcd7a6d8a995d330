import type { TrainingRun } from "./run.ts";

/** The estimated cost of a run on this machine, from the second of two trial batches. */
export interface Estimate {
  /** Steps that are left. */
  readonly steps: number;
  readonly tokens: number;
  /** FLOPs of the training steps, without evaluations. */
  readonly flops: number;
  /** Resident memory of the process after the trial. */
  readonly bytes: number;
  readonly hours: number;
}

/** The estimate as one sentence. */
export function sentence({ steps, tokens, flops, bytes, hours }: Estimate): string {
  const time = hours < 1 ? `${Math.max(1, Math.round(60 * hours))} min` : `${hours.toFixed(1)} h`;
  return `${steps} steps of ${Math.round(tokens / steps)} tokens: ${flops.toExponential(2)} FLOPs, ${Math.round(bytes / 1e6)} MB, about ${time} here`;
}

/** Tries a run's first batch; its weights stay as they are. */
export async function estimate(run: TrainingRun): Promise<Estimate> {
  await run.tryBatch();
  const { flops, tokens, ms } = await run.tryBatch();
  const steps = run.steps - run.done;
  const batches = steps * run.accumulate;
  return {
    steps,
    tokens: batches * tokens,
    flops: batches * flops,
    bytes: process.memoryUsage.rss(),
    hours: (batches * ms) / 3.6e6,
  };
}
