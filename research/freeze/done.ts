import { z } from "zod";
import { mean } from "../../src/util/mean.ts";
import { doneRunsIn } from "../common/done-runs.ts";

export const RESULTS = "research/freeze/results/smollm2.jsonl";

/** Steps of all arms. */
export const STEPS = 24;

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

/**
 * Steps of all LoRA layers in the CPU time of `auto`, by the means of the runs of 24 steps; `reading` counts its time
 * before the first step.
 */
export function stepsInTimeOf(steps: number, reading: boolean): number {
  const runs = freezeRuns().filter((run) => run.steps === STEPS);
  const full = (seed: number) => runs.find((run) => run.arm === "full" && run.seed === seed)!;
  const over = (of: (auto: FreezeRun, all: FreezeRun) => number) =>
    mean(runs.filter(({ arm }) => arm === "auto").map((auto) => of(auto, full(auto.seed))));
  const share = over((auto, all) => auto.cpuMs / all.cpuMs);
  const before = over((auto, all) => (auto.startMs - all.startMs) / all.cpuMs);
  return Math.round(share * steps + (reading ? before : 0));
}
