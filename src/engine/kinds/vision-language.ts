import { evalCost, graphCost } from "../../graph/index.ts";
import { isOfKind, openVision } from "../../models/registry.ts";
import { traceVision } from "../../models/vision-graph.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { Described } from "../file/described.ts";
import { exact } from "../image-text/image-text-model.ts";

/** True for a decoder with a part that turns images into rows of its stream. */
export const seesImages = (checkpoint: Checkpoint): boolean => isOfKind("vision–language model", checkpoint);

/** A decoder's description with the part that reads images. */
export function withImages(described: Described, checkpoint: Checkpoint, folder: string, quant: Quant): Described {
  const { vision, weights } = openVision(checkpoint, folder, exact(quant));
  const { layers, hidden, heads, headSize, imageSize, patchSize } = vision.encoder.config;
  const flopsPerImage = evalCost(graphCost(weights.imagined(() => traceVision(vision))), {}).flops;
  return {
    ...described,
    image: { layers, hidden, heads, headSize, imageSize, patchSize, tokens: vision.tokens },
    flops: (costs) => ({ ...described.flops(costs), flopsPerImage }),
  };
}
