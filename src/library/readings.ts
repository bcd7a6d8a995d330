import type { TextOrImage } from "../engine/encoders/image-text/image-text-model.ts";
import type { Classification, Reading } from "../engine/encoders/text/classifier.ts";
import type { Answers, ReadTerms } from "../engine/encoders/text/encoder-model.ts";
import { type ImageInput, isImage } from "../engine/images/pixels/input.ts";
import type { LoadedModel } from "../engine/kinds/index.ts";
import { UserError } from "../util/errors.ts";
import type { Tokenizer } from "../weights/tokenizer/index.ts";
import { encoderOf } from "./model-kinds.ts";

/** Vectors of texts and images, by a model that reads them. @throws UserError if it does not */
export function embedBy(
  loaded: LoadedModel,
  inputs: readonly TextOrImage[],
  terms: ReadTerms,
): Promise<Answers<Float32Array>> {
  const { name } = loaded.source;
  if (loaded.kind === "encoder of images and texts") return loaded.embed(inputs, terms);
  if (loaded.kind === "image encoder") return loaded.embed(imagesAlone(name, inputs, "embeds"), terms);
  return encoderOf(loaded).embed(textsAlone(name, inputs), terms);
}

/**
 * Scores of labels, the model's own or given ones, for each text or image. A decoder's come from likelihoods, which its
 * scheduler runs.
 * @throws UserError if the model reads no such inputs, or needs labels
 */
export function classifyBy(
  loaded: Exclude<LoadedModel, { kind: "decoder" }>,
  inputs: readonly (Reading | ImageInput)[],
  labels: readonly string[] | undefined,
  terms: ReadTerms,
): Promise<Answers<Classification>> {
  const { name } = loaded.source;
  switch (loaded.kind) {
    case "encoder of images and texts":
      return loaded.classify(imagesAlone(name, inputs), labelsFor(name, labels), terms);
    case "image encoder":
      return loaded.classify(imagesAlone(name, inputs), labels, terms);
    case "diffusion language model":
      return loaded.classify(oneTextEach(name, inputs), labelsFor(name, labels), terms);
    case "encoder":
    case "encoder with a decoder":
    case "image generator":
      return encoderOf(loaded).classify(textsAlone(name, inputs), labels, terms);
  }
}

/** @throws UserError if there are none */
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

/** The beginning of a text that is longer than `most` tokens. */
export function beginning(tokenizer: Tokenizer, text: string, most: number): string {
  const ids = tokenizer.encode(text);
  return ids.length > most ? tokenizer.decode(ids.slice(0, most)) : text;
}

/** The inputs of a model that reads texts alone. @throws UserError if one of them is an image */
function textsAlone<T>(model: string, inputs: readonly T[]): Exclude<T, ImageInput>[] {
  return inputs.map((input) => {
    if (!isImage(input)) return input as Exclude<T, ImageInput>;
    throw new UserError(
      `${model} reads texts alone and got an image; expected a model of images and texts, such as a CLIP`,
    );
  });
}

/** The images that a model classifies, or embeds. @throws UserError if one of them is a text */
function imagesAlone(
  model: string,
  inputs: readonly unknown[],
  verb: "classifies" | "embeds" = "classifies",
): ImageInput[] {
  return inputs.map((input) => {
    if (isImage(input)) return input;
    throw new UserError(`${model} ${verb} images and got a text; expected an image`);
  });
}
