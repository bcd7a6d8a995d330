import { z } from "zod";
import { localiserSizes } from "../../engine/regions/localiser-file.ts";
import { optimizerOptions } from "../options.ts";
import { scheduleOptions } from "../schedule.ts";

const count = z.int().min(1);
const schedule = scheduleOptions.prefault({ warmup: 0.05, minimum: 0.02 });

/** Training of a localiser on pictures with masks, of whatever class. */
export const localiserOptions = z.strictObject({
  data: z.string().describe("JSON lines with image and masks, paths from the file's folder, and boxes"),
  heldOut: z.string().describe("a file of the same form, on which masks are measured"),
  sizes: localiserSizes.prefault({}),
  steps: count.default(1500).describe("optimiser steps"),
  batch: count.default(16).describe("pictures of a step"),
  regions: count.default(8).describe("boxes of a picture: of its objects, moved a little, and some of nothing"),
  seed: z.int().min(0).default(0),
  optimizer: optimizerOptions.prefault({ beta2: 0.98, weightDecay: 0.05 }),
  schedule,
});
export type LocaliserOptions = z.output<typeof localiserOptions>;
