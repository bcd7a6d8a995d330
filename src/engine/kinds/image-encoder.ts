import path from "node:path";
import { evalCost } from "../../graph/index.ts";
import { traceImageScores, traceImageVector } from "../../models/images/images-graphs.ts";
import { openImages } from "../../models/images/open-vision.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { classifierOf, ImageEncoderModel } from "../encoders/image/image-encoder-model.ts";
import { exact } from "../encoders/image-text/image-text-model.ts";
import { squareOf } from "../encoders/image-text/processor-for.ts";
import { refuseAdapters } from "../file/adapters.ts";
import { type KindFacts, sizesOf } from "../file/described.ts";
import { readImageProcessor } from "../images/pixels/processor.ts";
import type { Kind } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

/** Models for images only. */
export const imageEncoderKind: Kind<ImageEncoderModel> = {
  async open({ source, adapted, recipe, quant }) {
    refuseAdapters(adapted, "an image encoder", "encodes images");
    refuseSavings(`${source.name} encodes images`, recipe);
    return ImageEncoderModel.load(source, quant, adapted);
  },
  describe,
  async check({ name }, _, recipe) {
    return refuseSavings(`${name} encodes images`, recipe);
  },
};

async function describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts> {
  const files = path.dirname(checkpoint.config.path);
  const side = squareOf(files, readImageProcessor(files, "bilinear"));
  const { model, weights } = await openImages(checkpoint, folder, exact(quant), side);
  const { config, tokens } = model.image;
  const { layers, hidden, heads, headSize, imageSize, patchSize } = config;
  const labels = classifierOf(model, checkpoint.config)?.labels;
  return {
    config: { ...sizesOf(config), vocabulary: 0, context: 0 },
    image: { layers, hidden, heads, headSize, imageSize, patchSize, tokens },
    ...(labels && { labels }),
    ...{ weights, cache: 0, seams: [] },
    trace: () => [traceImageVector(model), ...(labels ? [traceImageScores(model)] : [])],
    flops: (costs) => ({ flopsPerToken: { empty: 0, full: 0 }, flopsPerImage: evalCost(costs.at(-1)!, {}).flops }),
  };
}
