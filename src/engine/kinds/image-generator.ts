import { evalCost } from "../../graph/index.ts";
import { traceNoise } from "../../models/image-generator-graphs.ts";
import { isOfKind, openImageGenerator } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { type Adapted, refuseSeveral } from "../file/adapters.ts";
import type { Described } from "../file/described.ts";
import { ImageModel } from "../imagine/image-model.ts";
import type { Kind } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

const KIND = "image generator";

/** Diffusion models of images. */
export const imageGeneratorKind: Kind<ImageModel> = {
  name: KIND,
  matches: (checkpoint) => isOfKind(KIND, checkpoint),
  async open({ source, adapted, recipe }) {
    refuseAdapters(adapted);
    refuseSavings(`${source.name} draws images`, recipe);
    return ImageModel.load(source, adapted);
  },
  describe,
  export({ checkpoint }) {
    throw new UserError(`${checkpoint.path} draws images, which is not exported; expected another model`);
  },
  async check({ name }, _, recipe) {
    refuseSavings(`${name} draws images`, recipe);
  },
};

function refuseAdapters(adapted: Adapted): void {
  refuseSeveral(adapted, "an image generator");
  if (adapted.own || adapted.checkpoint.variant !== undefined)
    throw new UserError(`${adapted.checkpoint.path} draws images, which takes no adapter`);
}

function describe(checkpoint: Checkpoint, folder: string): Described {
  const { model, weights } = openImageGenerator(checkpoint, folder);
  const { levels, imageSize, channels, headSize } = model.unet.config;
  const widest = Math.max(...levels.map((level) => level.channels));
  const { middleAttends } = model.unet.config;
  const heads = middleAttends || levels.some(({ attends }) => attends) ? widest / headSize : 0;
  return {
    config: { layers: levels.length, hidden: widest, heads, kvHeads: heads, headSize, vocabulary: 0, context: 0 },
    drawn: { imageSize, channels, steps: model.noise.steps },
    ...{ weights, labels: model.labels, cache: 0, seams: [] },
    trace: () => [traceNoise(model.unet)],
    flops: ([network]) => ({
      flopsPerToken: { empty: 0, full: 0 },
      flopsPerImage: evalCost(network!, { batch: 1 }).flops,
    }),
  };
}
