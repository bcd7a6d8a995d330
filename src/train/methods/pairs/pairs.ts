import { z } from "zod";
import { checkedNamed } from "../../../util/named-options.ts";
import { dataFiles, optimizerOptions } from "../../options.ts";
import { scheduleOptions } from "../../step/schedule.ts";
import type { Method } from "../method.ts";

const count = z.int().min(1);

/** A run's defaults. */
const presets = {
  ...{ steps: 1000, batch: 32 },
  optimizer: { beta2: 0.98, weightDecay: 0.05 },
  schedule: { warmup: 0.1, minimum: 0.02 },
} as const;

/** Options for training a whole encoder of images and texts on captioned pictures. */
export const pairOptions = z.strictObject({
  data: dataFiles.describe(
    "JSON lines with image (a path from the file's folder) and caption; pairs with the same key, or with different groups, never share a batch",
  ),
  architecture: z
    .record(z.string(), z.json())
    .describe(
      "fields of a Hugging Face config.json with model_type clip (the default) or siglip; the vocabulary is the captions' words",
    ),
  start: z.string().optional().describe("folder of a model trained on the same words, to start from"),
  steps: count.default(presets.steps).describe("optimiser steps"),
  batch: count.default(presets.batch).describe("pictures per step; each is a negative for the other captions"),
  temperature: z.number().positive().default(0.07).describe("fixed divisor of the cosines"),
  seed: z.int().min(0).default(0).describe("seed for the weights and the data's order"),
  shuffled: z.boolean().default(false).describe("control: each picture gets another picture's caption"),
  optimizer: optimizerOptions.prefault(presets.optimizer),
  schedule: scheduleOptions.prefault(presets.schedule),
});
export type PairOptions = z.output<typeof pairOptions>;

/** The options that only this method has. */
const own = pairOptions.pick({ temperature: true, shuffled: true });

/** Trains a CLIP or SigLIP model from random weights on captioned pictures. */
export const pairs: Method<z.output<typeof own>> = {
  name: "pairs",
  summary: "train a CLIP or SigLIP model on captioned pictures",
  options: own,
  presets: () => presets,
  unscored: "the lab has no task for models of images and texts; use the run's losses",
  reads: ["architecture", "start", "batch", "seed", "optimizer", "schedule", "clip", "spikes"],
  async *stages(options, run) {
    const { data, architecture, start, steps, batch, seed, optimizer, schedule } = run.options;
    const all = { ...options, data, architecture, start, steps, batch, seed, optimizer, schedule };
    const { pairStages } = await import("./stage.ts");
    yield* pairStages(checkedNamed("pairs", pairOptions, all), run);
  },
  next: (out) => `modicum classify --model ${out} --image FILE --labels a,b runs it`,
};
