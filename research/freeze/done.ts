import { z } from "zod";
import { doneRunsIn } from "../common/done-runs.ts";

export const RESULTS = "research/freeze/results/smollm2.jsonl";

/** `random`: as many tensors as `auto`, from all layers; `above`: from the layers that `auto` trains. */
export const ARMS = ["auto", "full", "random", "above"] as const;

const run = z.object({
  arm: z.enum(ARMS),
  seed: z.number(),
  steps: z.number(),
  /** Trained LoRA layers, of all. */
  trained: z.number(),
  tensors: z.number(),
  /** The lowest layer with a trained tensor. */
  lowest: z.number(),
  /** Share of the squared gradient of the steps that `auto` read. */
  retained: z.number(),
  /** Nats per label of held-out samples after the last step. */
  heldOut: z.number(),
  /** Mean nats per label of the last eight steps. */
  loss: z.number(),
  /** Median of a step's CPU time. */
  cpuMs: z.number(),
  /** CPU time before the first step, which includes reading gradients. */
  startMs: z.number(),
  /** Peak of the process's resident memory. */
  peakMb: z.number(),
  /** FLOPs of all steps, and of reading gradients. */
  flops: z.number(),
  overhead: z.number(),
  machine: z.string(),
});
export type FreezeRun = z.output<typeof run>;
export const freezeRuns = (): FreezeRun[] => doneRunsIn(RESULTS, run);

/** CPU time of a training from its process's start on, without evaluation. */
export const cpuMsOf = ({ startMs, steps, cpuMs }: FreezeRun): number => startMs + steps * cpuMs;
