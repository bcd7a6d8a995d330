import { type ImageInput, isImage } from "../engine/images/pixels/input.ts";
import { UserError } from "../util/errors.ts";

/** The inputs of a model that reads texts alone. @throws UserError if one of them is an image */
export function textsAlone<T>(model: string, inputs: readonly T[]): Exclude<T, ImageInput>[] {
  return inputs.map((input) => {
    if (!isImage(input)) return input as Exclude<T, ImageInput>;
    throw new UserError(
      `${model} reads texts alone and got an image; expected a model of images and texts, such as a CLIP`,
    );
  });
}

/** The images that a model classifies, or embeds. @throws UserError if one of them is a text */
export function imagesAlone(
  model: string,
  inputs: readonly unknown[],
  verb: "classifies" | "embeds" = "classifies",
): ImageInput[] {
  return inputs.map((input) => {
    if (isImage(input)) return input;
    throw new UserError(`${model} ${verb} images and got a text; expected an image`);
  });
}
