import { z } from "zod";
import { choice, flag, fraction, integer, optionalInteger } from "../../option-schemas.ts";

export const featherOptions = z
  .strictObject({
    after: optionalInteger(1).describe("layers that process all visual tokens, counted from the first"),
    ratio: fraction(0.7).describe("share of an image's tokens to drop there; 0 is dense"),
    second: optionalInteger(2).describe(
      "layers before a second cut, which keeps the share (1 - ratio)² of the remaining visual tokens; default: no second cut",
    ),
    mode: choice(["feather", "fastv", "uniform", "random"])
      .default("feather")
      .describe(
        "the visual tokens to keep: by attention without rotary embedding plus a grid (feather), by attention (fastv), a grid (uniform), or random",
      ),
    stride: integer(0, 3).describe(
      "with mode=feather or uniform: the grid takes every stride-th row and column; 0, only with feather: no grid",
    ),
    equal: flag(false).describe("with mode=feather: the grid replaces attended tokens instead of adding to them"),
    score: choice(["image", "full"])
      .optional()
      .describe(
        "the softmax is over visual tokens (image) or over all tokens (full); default: image, but full for fastv",
      ),
    seed: integer(0, 0).describe("seed of random"),
  })
  .superRefine(({ after, second, ratio, mode, stride }, context) => {
    const refuse = (message: string) => context.addIssue({ code: "custom", message });
    if (after === undefined)
      refuse("expected the layer after which visual tokens are dropped, such as feather:after=8");
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
