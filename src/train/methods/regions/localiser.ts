import { z } from "zod";
import { localiserSizes } from "../../../engine/images/regions/localiser-file.ts";
import { checkedNamed } from "../../../util/named-options.ts";
import { optimizerOptions } from "../../options.ts";
import { scheduleOptions } from "../../step/schedule.ts";
import type { Method } from "../method.ts";
import { oneFile } from "./scenes.ts";

const count = z.int().min(1);

/** The defaults for training a localiser; masks are measured rarely, because measuring is slow. */
const presets = {
  ...{ steps: 1500, batch: 16, evaluateEvery: 500, schedule: { warmup: 0.05, minimum: 0.02 } },
  optimizer: { beta2: 0.98, weightDecay: 0.05 },
} as const;

/** Options for training a localiser on pictures with masks of any class. */
export const localiserOptions = z.strictObject({
  data: z.string().describe("JSON lines with image and masks (paths from the file's folder) and boxes"),
  heldOut: z.string().describe("a file of the same format on which to measure masks"),
  sizes: localiserSizes.prefault({}),
  start: z.string().optional().describe("folder of a localiser with the same sizes, to start from"),
  steps: count.default(presets.steps).describe("optimiser steps"),
  batch: count.default(presets.batch).describe("pictures per step"),
  regions: count.default(8).describe("boxes per picture: its objects' boxes, slightly shifted, and some empty ones"),
  seed: z.int().min(0).default(0),
  optimizer: optimizerOptions.prefault(presets.optimizer),
  schedule: scheduleOptions.prefault(presets.schedule),
});
export type LocaliserOptions = z.output<typeof localiserOptions>;

/** The options that only this method has. */
const own = localiserOptions.pick({ heldOut: true, sizes: true, regions: true });

/** Trains a network that segments the object in a box. */
export const localiser: Method<z.output<typeof own>> = {
  name: "localiser",
  summary: "train a network that segments the object in a box",
  options: own,
  presets: () => presets,
  unscored: "the lab has no task for localisers; each evaluation measures masks on heldOut",
  reads: ["start", "batch", "seed", "optimizer", "schedule", "clip", "spikes"],
  async *stages(options, run) {
    const { data, start, steps, batch, seed, optimizer, schedule } = run.options;
    const all = { ...options, data: oneFile(data), start, steps, batch, seed, optimizer, schedule };
    const { localiserStages } = await import("./localiser-stage.ts");
    yield* localiserStages(checkedNamed("localiser", localiserOptions, all), run);
  },
  next: (out) => `modicum train regions accepts ${out} as its localiser`,
};
