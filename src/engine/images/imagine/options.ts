import { z } from "zod";

const samplers = ["ddim", "ddpm", "consistency"] as const;
export type SamplerName = (typeof samplers)[number];

/** The terms on which images are made. */
export const imagineOptions = z.strictObject({
  class: z.string().optional().describe("the class to draw, by its label; without it, of no class"),
  prompt: z.string().optional().describe("what to draw, for a model that reads texts"),
  image: z
    .string()
    .optional()
    .describe("the file of an image to begin with, as large as those that the model draws, in place of noise alone"),
  strength: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe("the share of the steps that an image goes through, from so much noise on (default: 0.8)"),
  n: z.int().min(1).max(1024).default(1).describe("images"),
  steps: z
    .int()
    .min(1)
    .optional()
    .describe("runs of the network for each image (default: 50, or as many as trained; 1 of a consistency model)"),
  sampler: z
    .enum(samplers)
    .optional()
    .describe(
      "ddim (the usual one) adds no noise between steps, ddpm does (Song et al. 2021; Ho et al. 2020); consistency is that of consistency models, and the only one of them (Song et al. 2023)",
    ),
  guidance: z
    .number()
    .min(0)
    .optional()
    .describe(
      "weight of the class or the prompt against none: 1 runs the network once a step, others twice (Ho & Salimans 2022; default: 1, and 7.5 with a prompt)",
    ),
  seed: z.int().min(0).default(0).describe("of the noise that images begin as; image i has seed + i"),
});
export type ImagineOptions = z.output<typeof imagineOptions>;
export type ImagineInput = z.input<typeof imagineOptions>;
