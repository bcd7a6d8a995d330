import { evalCost, graphCost } from "../../graph/index.ts";
import { isOfKind, openVision } from "../../models/registry.ts";
import { traceVision } from "../../models/vision-graph.ts";
import { exact } from "../image-text/image-text-model.ts";
import { LanguageModel } from "../language-model.ts";
import { decoderKind } from "./decoder.ts";
import type { Kind } from "./kind.ts";

/** Language models that read images, too: a decoder, and the part that turns images into rows of its stream. */
export const visionLanguageKind: Kind<LanguageModel> = {
  ...decoderKind,
  matches: (checkpoint) => isOfKind("vision–language model", checkpoint),
  open: ({ source, adapted, quant }) => LanguageModel.load(source, quant, adapted),
  describe(checkpoint, folder, quant) {
    const { vision, weights } = openVision(checkpoint, folder, exact(quant));
    const { layers, hidden, heads, headSize, imageSize, patchSize } = vision.encoder.config;
    const flopsPerImage = evalCost(graphCost(weights.imagined(() => traceVision(vision))), {}).flops;
    const described = decoderKind.describe(checkpoint, folder, quant);
    return {
      ...described,
      image: { layers, hidden, heads, headSize, imageSize, patchSize, tokens: vision.tokens },
      flops: (costs) => ({ ...described.flops(costs), flopsPerImage }),
    };
  },
};
