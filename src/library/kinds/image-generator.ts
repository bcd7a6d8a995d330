import type { ImageModel } from "../../engine/images/imagine/image-model.ts";
import type { Face } from "./face.ts";

/** Draws images. */
export const imageGeneratorFace = (model: ImageModel): Face => ({
  async imagine(options, terms) {
    const { images, usage } = await model.imagine(options, terms);
    return { answers: images, usage };
  },
});
