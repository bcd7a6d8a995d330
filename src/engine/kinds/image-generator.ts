import { evalCost } from "../../graph/index.ts";
import { openImageGenerator } from "../../models/registry.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { refuseAdapters } from "../file/adapters.ts";
import type { KindFacts } from "../file/described.ts";
import { ImageModel } from "../images/imagine/image-model.ts";
import { Painter, sizeOf } from "../images/imagine/painter.ts";
import type { Kind } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

/** Image diffusion models. */
export const imageGeneratorKind: Kind<ImageModel> = {
  async open({ source, adapted, recipe }) {
    refuseAdapters(adapted, "an image generator", "draws images");
    refuseSavings(`${source.name} draws images`, recipe);
    return ImageModel.load(source, adapted);
  },
  describe,
  async check({ name }, _, recipe) {
    return refuseSavings(`${name} draws images`, recipe);
  },
};

async function describe(checkpoint: Checkpoint, folder: string): Promise<KindFacts> {
  const { model, weights } = await openImageGenerator(checkpoint, folder);
  const { levels, middleAttends } = model.unet.config;
  const widest = levels.reduce((most, level) => (level.channels > most.channels ? level : most));
  const { headSize } = widest;
  const heads = middleAttends || levels.some(({ attends }) => attends) ? widest.channels / headSize : 0;
  const { texts } = model.prompts ?? {};
  return {
    config: {
      ...{ layers: levels.length, hidden: widest.channels, heads, kvHeads: heads, headSize },
      ...{ vocabulary: texts?.config.vocabulary ?? 0, context: texts?.config.context ?? 0 },
    },
    drawn: { ...sizeOf(model), steps: model.denoising.noise.steps },
    ...{ weights, cache: 0, seams: [] },
    ...(model.labels.length > 0 && { labels: model.labels }),
    trace: () => Painter.trace(model),
    flops: ([network]) => ({
      flopsPerToken: { empty: 0, full: 0 },
      flopsPerImage: evalCost(network!, { batch: 1 }).flops,
    }),
  };
}
