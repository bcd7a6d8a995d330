import { z } from "zod";
import { localiserSizes } from "../../../engine/images/regions/localiser-file.ts";
import { featureLayers } from "../../../models/images/image-text-graphs.ts";
import { optimizerOptions } from "../../options.ts";
import { scheduleOptions } from "../../step/schedule.ts";

const count = z.int().min(1);
const scheduled = { warmup: 0.05, minimum: 0.02 } as const;
const schedule = scheduleOptions.prefault(scheduled);

/** What a localiser's run is without options of its own; masks are measured seldom, which takes long. */
export const localiserPresets = {
  ...{ steps: 1500, batch: 16, evaluateEvery: 500, schedule: scheduled },
  optimizer: { beta2: 0.98, weightDecay: 0.05 },
} as const;

/** Training of a localiser on pictures with masks, of whatever class. */
export const localiserOptions = z.strictObject({
  data: z.string().describe("JSON lines with image and masks, paths from the file's folder, and boxes"),
  heldOut: z.string().describe("a file of the same form, on which masks are measured"),
  sizes: localiserSizes.prefault({}),
  start: z.string().optional().describe("folder of another localiser of these sizes: its weights are the first"),
  steps: count.default(localiserPresets.steps).describe("optimiser steps"),
  batch: count.default(localiserPresets.batch).describe("pictures of a step"),
  regions: count.default(8).describe("boxes of a picture: of its objects, moved a little, and some of nothing"),
  seed: z.int().min(0).default(0),
  optimizer: optimizerOptions.prefault(localiserPresets.optimizer),
  schedule,
});
export type LocaliserOptions = z.output<typeof localiserOptions>;

/** What a bridge's run is without options of its own. */
export const bridgePresets = {
  ...{ steps: 1500, batch: 32, schedule: scheduled },
  optimizer: { beta2: 0.999, weightDecay: 1e-4 },
} as const;

/** Training of a bridge on scenes with labels, beside frozen models. */
export const bridgeOptions = z.strictObject({
  data: z.string().describe("JSON lines with image, a path from the file's folder, boxes and labels"),
  localiser: z.string().describe("a localiser's folder"),
  labels: z.array(z.string().min(1)).min(2).describe("labels that are learned; regions of others are left out"),
  featureLayer: z
    .literal(featureLayers)
    .default(-1)
    .describe("the model's layer whose tokens are read: -1 the last, as in the paper; -2 the one before it"),
  layers: count.default(3).describe("layers of attention among regions and to the image"),
  heads: count.default(8).describe("attention heads"),
  ffn: count.default(384).describe("inner width of a feed-forward"),
  imageNorm: z
    .boolean()
    .default(true)
    .describe("the model's tokens go through a layer norm first; RegionSpot's code has it and does not call it"),
  loss: z
    .enum(["softmax", "focal"])
    .default("softmax")
    .describe(
      "softmax: of the right label among all, as it is asked for; focal: of each label for itself, as in the paper",
    ),
  scale: z.number().positive().default(100).describe("cosines are multiplied by it, as by a published CLIP's scale"),
  steps: count.default(bridgePresets.steps).describe("optimiser steps"),
  batch: count.default(bridgePresets.batch).describe("pictures of a step, all of them with as many regions"),
  seed: z.int().min(0).default(0),
  optimizer: optimizerOptions.prefault(bridgePresets.optimizer),
  schedule,
});
export type BridgeOptions = z.output<typeof bridgeOptions>;
