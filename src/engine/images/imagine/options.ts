import { z } from "zod";

const samplers = ["ddim", "ddpm", "consistency"] as const;
export type SamplerName = (typeof samplers)[number];

/** The options for making images. */
export const imagineOptions = z.strictObject({
  class: z.string().optional().describe("the label of the class to draw (default: no class)"),
  prompt: z.string().optional().describe("the prompt, for a model that reads texts"),
  image: z.string().optional().describe("an image to start from, instead of noise; as large as the model's images"),
  strength: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe("with an image: share of the steps to run, and of the noise to add (default: 0.8)"),
  n: z.int().min(1).max(1024).default(1).describe("images"),
  steps: z
    .int()
    .min(1)
    .optional()
    .describe("runs of the network per image (default: 50, or all trained steps if fewer; 1 for consistency models)"),
  sampler: z
    .enum(samplers)
    .optional()
    .describe(
      "ddim adds no noise between steps, ddpm does; consistency is the only sampler for consistency models (default: ddim)",
    ),
  guidance: z
    .number()
    .min(0)
    .optional()
    .describe(
      "classifier-free guidance; 1 runs the network once per step, other values twice (default: 1, or 7.5 with a prompt)",
    ),
  seed: z.int().min(0).default(0).describe("seed of the noise; image i has seed + i"),
});
export type ImagineOptions = z.output<typeof imagineOptions>;
export type ImagineInput = z.input<typeof imagineOptions>;
