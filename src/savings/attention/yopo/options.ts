import { z } from "zod";
import { file, flag, fraction, optionalInteger } from "../../option-schemas.ts";

export const yopoOptions = z.strictObject({
  layers: optionalInteger(1).describe("layers that visual tokens run, counted from the first; absent: all"),
  radius: optionalInteger(0).describe(
    "a visual token attends to visual tokens at most so many rows and columns away; absent: to all before it",
  ),
  causal: flag(false).describe("with radius: only to neighbours before it; otherwise to later ones, too"),
  ffn: fraction(1).describe("share of a feed-forward's neurons that visual tokens run, the first ones; 1: all"),
  heads: file().describe("a file from `savings calibrate yopo`: key–value heads that visual tokens do without"),
});

export type YopoOptions = z.infer<typeof yopoOptions>;
