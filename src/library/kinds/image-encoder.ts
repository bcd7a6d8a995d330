import type { ImageEncoderModel } from "../../engine/encoders/image/image-encoder-model.ts";
import type { Face } from "./face.ts";
import { imagesAlone } from "./inputs.ts";

/** Reads only images. */
export const imageEncoderFace = (model: ImageEncoderModel): Face => ({
  embed: (inputs, terms) => model.embed(imagesAlone(model.source.name, inputs, "embeds"), terms),
  classify: (inputs, labels, terms) =>
    model.classify(imagesAlone(model.source.name, inputs, "classifies"), labels, terms),
});
