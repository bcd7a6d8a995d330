import { z } from "zod";

const count = z.int().min(1);
const FILES = "expected a file, or a list of files";
const files = z.preprocess(
  (value) => (typeof value === "string" ? [value] : value),
  z.array(z.string(), FILES).min(1, FILES),
);

/** Settings for learning a mask (FreezeAsGuard, Huang et al. 2024); the default rates suit small networks. */
const maskOptions = z.strictObject({
  freezeRatio: z.number().min(0).max(1).default(0.4).describe("share of the tensors to freeze"),
  exactRatio: z
    .boolean()
    .default(false)
    .describe("freeze exactly this share: the tensors with the greatest m, instead of all with m above 0.5"),
  upperLoss: z
    .enum(["normalised", "paper"])
    .default("normalised")
    .describe("normalised: divide each side's loss by its gain from relearning; paper: do not divide"),
  steps: count.default(800).describe("total number of steps, for mask and user together"),
  userInterval: z.int().min(2).default(2).describe("one in this many steps updates the mask, the others the user"),
  temperature: z.number().positive().default(0.2).describe("temperature of the mask, m = sigmoid(x / temperature)"),
  maskLr: z.number().positive().default(10).describe("learning rate of the mask"),
  ratioPenalty: z.number().min(0).default(50).describe("weight of the squared distance from freezeRatio"),
  userLr: z.number().positive().default(0.05).describe("learning rate of the imitated user, by plain gradient descent"),
});
export type MaskOptions = z.output<typeof maskOptions>;

/** A complete guard: the model and data, relearning, and the mask's options. */
export const guardOptions = z.strictObject({
  model: z.string().describe("the image generator to publish"),
  illegal: files.describe("JSON lines with image and label: images that users must not be able to teach the model"),
  innocent: files.describe("JSON lines of the same format: images that users may teach the model"),
  relearnSteps: count.default(300).describe("steps to relearn both kinds of images before the imitated user starts"),
  relearnLr: z.number().positive().default(5e-4).describe("AdamW's learning rate in relearning"),
  batch: count.default(32).describe("images per step"),
  seed: z.int().min(0).default(0).describe("seed for the images' order, the noise and the first mask"),
  ...maskOptions.shape,
});
export type GuardOptions = z.output<typeof guardOptions>;
export type GuardInput = z.input<typeof guardOptions>;
