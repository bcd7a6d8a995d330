import { evalCost, graphCost } from "../../graph/index.ts";
import { openVision } from "../../models/images/open-vision.ts";
import { patchCounts } from "../../models/images/patch-inputs.ts";
import type { Vision } from "../../models/images/vision.ts";
import { traceAnyVision } from "../../models/images/vision-graph.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { exact } from "../encoders/image-text/image-text-model.ts";
import type { DescribedImages, KindFacts } from "../file/described.ts";

/** The number of patch squares per side of the example image, for models that accept images of any size. */
const EXAMPLE = 16;

/** A decoder's description, including the image encoder. */
export async function withImages(
  described: KindFacts,
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant,
): Promise<KindFacts> {
  const { vision, weights } = await openVision(checkpoint, folder, exact(quant));
  const image = imagesOf(vision);
  const cost = graphCost(weights.imagined(() => traceAnyVision(vision)));
  const counts = vision.pictures === "patches" ? patchCounts(vision.encoder.config, [EXAMPLE, EXAMPLE]) : {};
  const flopsPerImage = evalCost(cost, counts).flops;
  return { ...described, image, flops: (costs) => ({ ...described.flops(costs), flopsPerImage }) };
}

/** True if an image is divided into several pictures. */
const isCut = ({ pictures }: Vision): boolean => pictures === "tiles" || pictures === "shaped" || pictures === "fitted";

function imagesOf(vision: Vision): DescribedImages {
  const { layers, hidden, heads, headSize, patchSize } = vision.encoder.config;
  const shared = { layers, hidden, heads, headSize, patchSize };
  if (vision.pictures === "patches") {
    const imageSize = EXAMPLE * vision.encoder.config.merge * patchSize;
    return { ...shared, imageSize, tokens: EXAMPLE ** 2, of: "example" };
  }
  const { imageSize } = vision.encoder.config;
  return { ...shared, imageSize, tokens: vision.tokens, ...(isCut(vision) && { of: "tile" }) };
}
