import { evalCost } from "../../graph/index.ts";
import { traceImages, traceTexts } from "../../models/images/image-text-graphs.ts";
import { openImageText } from "../../models/images/open-vision.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { exact, ImageTextModel } from "../encoders/image-text/image-text-model.ts";
import { refuseAdapters } from "../file/adapters.ts";
import { type KindFacts, sizesOf, wholeTexts } from "../file/described.ts";
import type { Kind } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

/** Models that embed images and texts in a shared space. */
export const imageTextKind: Kind<ImageTextModel> = {
  async open({ source, adapted, recipe, quant }) {
    refuseAdapters(adapted, "an encoder of images and texts", "encodes images and texts");
    refuseSavings(`${source.name} encodes images and texts`, recipe);
    return ImageTextModel.load(source, quant, adapted);
  },
  describe,
  async check({ name }, _, recipe) {
    return refuseSavings(`${name} encodes images and texts`, recipe);
  },
};

async function describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts> {
  const { model, weights } = await openImageText(checkpoint, folder, exact(quant));
  const { text, image } = model;
  const { layers, hidden, heads, headSize, imageSize, patchSize } = image.config;
  return {
    config: sizesOf(text.config),
    image: { layers, hidden, heads, headSize, imageSize, patchSize, tokens: image.tokens },
    weights,
    ...{ cache: 0, seams: [] },
    trace: () => [traceTexts(model), traceImages(model, 1)],
    flops: ([texts, images]) => ({
      flopsPerToken: wholeTexts(texts!, text.config.context),
      flopsPerImage: evalCost(images!, {}).flops,
    }),
  };
}
