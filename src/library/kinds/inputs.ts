import type { Reading } from "../../engine/encoders/text/classifier.ts";
import { type ImageInput, isImage } from "../../engine/images/pixels/input.ts";
import { UserError } from "../../util/errors.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";

/** @throws UserError if there are no labels */
export function labelsFor(name: string, labels: readonly string[] | undefined): readonly string[] {
  if (labels) return labels;
  throw new UserError(`${name} has no labels of its own; expected labels to choose among`, 2);
}

/** @throws UserError for an image or a pair of texts */
export const oneTextEach = (name: string, inputs: readonly (Reading | ImageInput)[]): string[] =>
  textsAlone(name, inputs).map((reading) => {
    if (typeof reading === "string") return reading;
    throw new UserError("a pair of texts is for a classifier; expected a text");
  });

/** The inputs of a model that reads only texts. @throws UserError if an input is an image */
export function textsAlone<T>(model: string, inputs: readonly T[]): Exclude<T, ImageInput>[] {
  return inputs.map((input) => {
    if (!isImage(input)) return input as Exclude<T, ImageInput>;
    throw new UserError(
      `${model} reads only texts, but got an image; expected a model of images and texts, such as a CLIP`,
    );
  });
}

/** The images to classify or embed. @throws UserError if an input is a text */
export function imagesAlone(model: string, inputs: readonly unknown[], verb: "classifies" | "embeds"): ImageInput[] {
  return inputs.map((input) => {
    if (isImage(input)) return input;
    throw new UserError(`${model} ${verb} images; expected an image, got a text`);
  });
}

/** The first `most` tokens of a text; a shorter text is returned whole. */
export function beginning(tokenizer: Tokenizer, text: string, most: number): string {
  const ids = tokenizer.encode(text);
  return ids.length > most ? tokenizer.decode(ids.slice(0, most)) : text;
}
