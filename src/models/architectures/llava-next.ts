import { FittedVision } from "../images/projected-vision.ts";
import type { VisionLanguageArchitecture } from "../images/vision.ts";
import { llavaOf } from "./llava.ts";

/**
 * LLaVA-NeXT, or LLaVA-1.6 (Liu et al. 2024): a LLaVA that reads an image twice: whole, and as tiles of the
 * best-fitting size, whose patches form one grid, line by line.
 */
export const llavaNext: VisionLanguageArchitecture = llavaOf({
  ...{ name: "llava_next", what: "a LLaVA-NeXT" },
  check(fields, { classToken }) {
    // Only patches without a class token form a grid.
    fields.only("vision_feature_select_strategy", [classToken ? "default" : "full"]);
    fields.only("use_image_newline_parameter", [true]);
  },
  open: (...parts) => new FittedVision(...parts),
});
