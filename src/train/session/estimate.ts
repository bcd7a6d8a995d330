import type { Stage } from "./stage.ts";

/** A run's estimated cost on this machine, from the second of two trial batches. */
export interface Estimate {
  /** Remaining steps. */
  readonly steps: number;
  readonly tokens: number;
  /** FLOPs of the training steps, without evaluations. */
  readonly flops: number;
  /** Resident memory of the process after the trial. */
  readonly bytes: number;
  readonly hours: number;
  /** The first samples as text, if any. */
  readonly samples?: readonly string[];
}

/** The estimate as a sentence. */
export function sentence({ steps, tokens, flops, bytes, hours }: Estimate): string {
  return `${steps} ${steps === 1 ? "step" : "steps"} of ${Math.round(tokens / steps)} tokens: ${flops.toExponential(2)} FLOPs, ${Math.round(bytes / 1e6)} MB, about ${timeOf(hours)} here`;
}

function timeOf(hours: number): string {
  if (hours >= 1) return `${hours.toFixed(1)} h`;
  return hours < 1 / 60 ? `${Math.ceil(3600 * hours)} s` : `${Math.round(60 * hours)} min`;
}

/** Estimates a stage's remaining `steps` steps by running its first batch; does not change weights. */
export async function estimate(tryBatch: NonNullable<Stage["tryBatch"]>, steps: number): Promise<Estimate> {
  await tryBatch();
  const { flops, tokens, ms } = await tryBatch();
  return {
    steps,
    tokens: steps * tokens,
    flops: steps * flops,
    bytes: process.memoryUsage.rss(),
    hours: (steps * ms) / 3.6e6,
  };
}
