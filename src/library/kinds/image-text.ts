import type { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import { regionPipeline } from "../../pipelines/registry.ts";
import type { Face } from "./face.ts";
import { imagesAlone, labelsFor } from "./inputs.ts";

/** Embeds images and texts into a shared space, and names regions of images with a localiser and a bridge. */
export function imageTextFace(model: ImageTextModel): Face {
  const { name } = model.source;
  return {
    // The limit is one higher, since the running call is also in the queue.
    schedule: ({ queue }) => Object.assign(model.queue, { limit: queue + 1 }),
    embed: (inputs, terms) => model.embed(inputs, terms),
    classify: (inputs, labels, terms) =>
      model.classify(imagesAlone(name, inputs, "classifies"), labelsFor(name, labels), terms),
    recognize: (request, held) => regionPipeline.run(model, held, request),
  };
}
