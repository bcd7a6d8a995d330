import { z } from "zod";
import { choice, file, flag, fraction, optionalInteger } from "../../option-schemas.ts";

/**
 * Ways in which text's attention treats visual tokens in a dropped head: hidden before the softmax, which renormalises
 * the rest (the authors' code for Qwen2-VL), or zeroed after it (their code for LLaVA).
 */
const headDrops = ["pre-softmax-mask", "post-softmax-zero"] as const;
export type HeadDrop = (typeof headDrops)[number];

export const yopoOptions = z.strictObject({
  layers: optionalInteger(1).describe("layers that process visual tokens, counted from the first; default: all"),
  radius: optionalInteger(0).describe(
    "distance, in rows and columns, within which a visual token attends to others; default: all earlier tokens",
  ),
  causal: flag(false).describe("with radius: attend only to earlier neighbours, not to all"),
  ffn: fraction(1).describe("share of feed-forward neurons that visual tokens use, counted from the first; 1: all"),
  heads: file().describe(
    "a file from `savings calibrate yopo`: key–value heads that visual tokens skip; only for the paper's comparison, since it saves no FLOPs and is slower than dense",
  ),
  drop: choice(headDrops)
    .default("pre-softmax-mask")
    .describe(
      "with heads: pre-softmax-mask renormalises text's attention without the dropped visual tokens; post-softmax-zero does not",
    ),
});

export type YopoOptions = z.infer<typeof yopoOptions>;

/** True if these options replace the attention of some layers. */
export const narrows = ({ radius, heads }: YopoOptions): boolean => radius !== undefined || heads !== undefined;

/** True if these options use the attention seam, which also sets the share of feed-forward neurons. */
export const attends = (options: YopoOptions): boolean => narrows(options) || options.ffn < 1;
