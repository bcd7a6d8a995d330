import { z } from "zod";
import { choice, flag, fraction, integer, optionalInteger } from "../../option-schemas.ts";

export const featherOptions = z
  .strictObject({
    after: optionalInteger(1).describe("layers that all visual tokens run, counted from the first"),
    ratio: fraction(0.7).describe("share of an image's tokens that are dropped there; 0 is dense"),
    second: optionalInteger(2).describe(
      "layers after which only the share (1 - ratio)² of the remaining visual tokens is kept; absent: one stage",
    ),
    mode: choice(["feather", "fastv", "uniform", "random"])
      .default("feather")
      .describe(
        "which are kept: by attention without rotary embedding and a grid; by attention as it is; a grid alone; or random ones",
      ),
    stride: integer(0, 3).describe(
      "the grid of feather and uniform: tokens in every stride-th row and column; 0: none, in feather",
    ),
    equal: flag(false).describe("in feather: the grid takes places of the attended tokens, so that no more are kept"),
    score: choice(["image", "full"])
      .optional()
      .describe("attention is a softmax over visual tokens (image), or over all (full); default: image, of fastv full"),
    seed: integer(0, 0).describe("seed of random"),
  })
  .superRefine(({ after, second, ratio, mode, stride }, context) => {
    const refuse = (message: string) => context.addIssue({ code: "custom", message });
    if (after === undefined) refuse("expected the layer after which visual tokens go, such as feather:after=8");
    if (ratio === 1) refuse("ratio: expected at least 0 and less than 1, got 1");
    if (after !== undefined && second !== undefined && second <= after)
      refuse(`second: expected a layer after layer ${after}, got ${second}`);
    if (mode === "uniform" && stride === 0) refuse("stride: expected at least 1 with mode=uniform, got 0");
  })
  .transform(({ score, ...options }) => ({
    ...options,
    score: score ?? (options.mode === "fastv" ? ("full" as const) : ("image" as const)),
  }));

export type FeatherOptions = z.infer<typeof featherOptions>;
