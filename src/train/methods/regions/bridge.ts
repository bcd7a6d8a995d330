import { z } from "zod";
import { featureLayers } from "../../../models/images/image-text-graphs.ts";
import { UserError } from "../../../util/errors.ts";
import { checkedNamed } from "../../../util/named-options.ts";
import { optimizerOptions } from "../../options.ts";
import { scheduleOptions } from "../../step/schedule.ts";
import type { Method } from "../method.ts";
import { oneFile } from "./scenes.ts";

const count = z.int().min(1);

/** The defaults for training a bridge. */
const presets = {
  ...{ steps: 1500, batch: 32, schedule: { warmup: 0.05, minimum: 0.02 } },
  optimizer: { beta2: 0.999, weightDecay: 1e-4 },
} as const;

/** Options for training a bridge between frozen models on labelled scenes. */
export const bridgeOptions = z.strictObject({
  data: z.string().describe("JSON lines with image (a path from the file's folder), boxes and labels"),
  localiser: z.string().describe("a localiser's folder"),
  labels: z.array(z.string().min(1)).min(2).describe("labels to learn; other regions are ignored"),
  featureLayer: z
    .literal(featureLayers)
    .default(-1)
    .describe("the model's layer to read: -1 is the last, as in the paper; -2 the second to last"),
  layers: count.default(3).describe("layers, each with attention among regions and to the image"),
  heads: count.default(8).describe("attention heads"),
  ffn: count.default(384).describe("inner width of feed-forwards"),
  imageNorm: z
    .boolean()
    .default(true)
    .describe("normalise the model's tokens first; RegionSpot's code has this norm but does not call it"),
  loss: z
    .enum(["softmax", "focal"])
    .default("softmax")
    .describe("softmax: the correct label against the others, as in requests; focal: each by itself, as in the paper"),
  scale: z.number().positive().default(100).describe("factor of the cosines; published CLIP models use 100"),
  steps: count.default(presets.steps).describe("optimiser steps"),
  batch: count.default(presets.batch).describe("pictures per step, all with the same number of regions"),
  seed: z.int().min(0).default(0),
  optimizer: optimizerOptions.prefault(presets.optimizer),
  schedule: scheduleOptions.prefault(presets.schedule),
});
export type BridgeOptions = z.output<typeof bridgeOptions>;

/** The options that only this method has. */
const own = bridgeOptions.omit({
  ...{ data: true, steps: true, batch: true, seed: true, optimizer: true, schedule: true },
});

/** Trains a bridge that connects a frozen localiser to a frozen image–text model, and names regions. */
export const bridge: Method<z.output<typeof own>> = {
  name: "bridge",
  summary: "train the bridge that names the regions of an image",
  options: own,
  presets: () => presets,
  unscored: "the lab has no task that names regions; judge a bridge by the run's losses",
  reads: ["model", "batch", "seed", "optimizer", "schedule", "clip", "spikes"],
  async *stages(options, run) {
    const { model, data, steps, batch, seed, optimizer, schedule } = run.options;
    if (model === undefined) throw new UserError("model: expected a model of images and texts", 2);
    const all = { ...options, data: oneFile(data), steps, batch, seed, optimizer, schedule };
    const { bridgeStages } = await import("./bridge-stage.ts");
    yield* bridgeStages(model, checkedNamed("bridge", bridgeOptions, all), run);
  },
  next: (out) => `modicum recognize IMAGE --labels a,b --regions ${out} uses the bridge`,
};
