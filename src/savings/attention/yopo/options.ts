import { z } from "zod";
import { choice, file, flag, fraction, optionalInteger } from "../../option-schemas.ts";

/**
 * Attention of text to the visual tokens of a head that they do without: hidden before the softmax, so that the rest is
 * renormalised (the authors' code for Qwen2-VL), or zeroed after it (their code for LLaVA).
 */
const headDrops = ["pre-softmax-mask", "post-softmax-zero"] as const;
export type HeadDrop = (typeof headDrops)[number];

export const yopoOptions = z.strictObject({
  layers: optionalInteger(1).describe("layers that visual tokens run, counted from the first; absent: all"),
  radius: optionalInteger(0).describe(
    "a visual token attends to visual tokens at most so many rows and columns away; absent: to all before it",
  ),
  causal: flag(false).describe("with radius: only to neighbours before it; otherwise also to later ones"),
  ffn: fraction(1).describe("share of a feed-forward's neurons that visual tokens run, the first ones; 1: all"),
  heads: file().describe(
    "a file from `savings calibrate yopo`: key–value heads that visual tokens do without; for the paper's comparison: it saves no FLOPs and takes longer than dense",
  ),
  drop: choice(headDrops)
    .default("pre-softmax-mask")
    .describe(
      "with heads: pre-softmax-mask renormalises text's attention without the dropped visual tokens; post-softmax-zero leaves it as small as it was beside them",
    ),
});

export type YopoOptions = z.infer<typeof yopoOptions>;

/** True if it does the attention of some layers in its own way. */
export const narrows = ({ radius, heads }: YopoOptions): boolean => radius !== undefined || heads !== undefined;

/** True if it takes the seam of attention, where the feed-forward's share is told, too. */
export const attends = (options: YopoOptions): boolean => narrows(options) || options.ffn < 1;
