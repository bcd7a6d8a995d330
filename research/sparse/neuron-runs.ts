import path from "node:path";
import { z } from "zod";
import { root } from "../../tools/section.ts";
import { doneRunsIn } from "../common/done-runs.ts";

export const RUNS = path.join(root, "research/sparse/results/neurons.jsonl");
export const TIMES = path.join(root, "research/sparse/results/neuron-times.json");

export const SPARSITY = 0.25;

const PRUNING = `sparse:structure=neuron,sparsity=${SPARSITY}`;

const GRADUALLY = `${PRUNING},dense=0,prune=0.5,recover=0.5`;
const AT_ONCE = `${PRUNING},start=0,end=0`;

/** The method of each arm. Untrained ones are pruned at once before their only step, whose rate is next to 0. */
export const ARMS = {
  dense: undefined,
  magnitude: GRADUALLY,
  random: `${GRADUALLY},score=random`,
  "dense, untrained": undefined,
  "magnitude, untrained": AT_ONCE,
  "random, untrained": `${AT_ONCE},score=random`,
};

export const armNames = Object.keys(ARMS) as (keyof typeof ARMS)[];

export const isUntrained = (arm: keyof typeof ARMS): boolean => arm.endsWith("untrained");

/** The folder of a run's model. */
export const folderOf = (work: string, arm: keyof typeof ARMS): string => path.join(work, arm.replace(", ", "-"));

const run = z.object({
  arm: z.enum(armNames),
  /** Neurons of each layer of the written model. */
  neurons: z.number(),
  steps: z.number(),
  /** Nats per token of held-out samples after the last step, with pruned neurons as zeros. */
  heldOut: z.number(),
  /** Mean nats per token of the last eight steps. */
  loss: z.number(),
  /** Median of a step's CPU time. */
  cpuMs: z.number(),
  flops: z.number(),
  machine: z.string(),
});
export type NeuronRun = z.output<typeof run>;
export const neuronRuns = (): NeuronRun[] => doneRunsIn(RUNS, run);

const spent = z.object({ ms: z.number(), flops: z.number() });
/** Rounds of the dense and the cut model, alternating. */
export const neuronTimes = z.object({
  machine: z.string(),
  promptTokens: z.number(),
  rounds: z.array(
    z.object({ dense: z.object({ prompt: spent, token: spent }), cut: z.object({ prompt: spent, token: spent }) }),
  ),
});
