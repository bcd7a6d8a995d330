import type { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import type { KindName, LoadedModel } from "../../engine/kinds/index.ts";
import { UserError } from "../../util/errors.ts";
import type { Calls, Face } from "./face.ts";

/** A loaded model's calls. Each kind of model has its own file, loaded with the first model of that kind. */
export async function faceOf(loaded: LoadedModel): Promise<Face> {
  switch (loaded.kind) {
    case "decoder":
      return (await import("./decoder.ts")).decoderFace(loaded);
    case "diffusion language model":
      return (await import("./diffusion.ts")).diffusionFace(loaded);
    case "encoder":
      return (await import("./encoder.ts")).encoderFace(loaded);
    case "encoder with a decoder":
      return (await import("./encoder-decoder.ts")).encoderDecoderFace(loaded);
    case "encoder of images and texts":
      return (await import("./image-text.ts")).imageTextFace(loaded);
    case "image encoder":
      return (await import("./image-encoder.ts")).imageEncoderFace(loaded);
    case "image generator":
      return (await import("./image-generator.ts")).imageGeneratorFace(loaded);
  }
}

const writes = "generates text; expected an encoder, such as minilm for embeddings";

/**
 * The reasons why models of a kind do not generate text, or are not text encoders. Each one completes a sentence that
 * begins with a model's name.
 */
const refusals: Record<KindName, { readonly text?: string; readonly encoding?: string }> = {
  decoder: { encoding: writes },
  "diffusion language model": {
    text: "fills in masked tokens; expected a model that generates text",
    encoding: writes,
  },
  encoder: { text: "is an encoder, which embeds or classifies texts; expected a model that generates" },
  "encoder with a decoder": {
    text: "turns one text into another; expected a model that generates text",
    encoding: writes,
  },
  "encoder of images and texts": {
    text: "encodes images and texts; expected a model that generates",
    encoding: "encodes images and texts; expected a text encoder",
  },
  "image encoder": {
    text: "encodes images; expected a model that generates text",
    encoding: "reads only images; expected a text encoder, such as minilm",
  },
  "image generator": {
    text: "draws images; expected a model that generates text",
    encoding: "draws images; expected an encoder, such as minilm for embeddings",
  },
};

/** @throws UserError for a call that this kind of model lacks */
export function refuse(call: keyof Calls, { kind, source }: LoadedModel): never {
  const { text, encoding } = refusals[kind];
  const sentences: Record<keyof Calls, string | undefined> = {
    ...{ generative: text, answer: text, language: text },
    ...{ encoder: encoding, embed: encoding, classify: encoding, relevance: encoding },
    imagine: "does not draw; expected an image generator, such as digits-tiny",
    recognize: "does not compare images with texts; expected a CLIP, such as clip-tiny",
  };
  throw new UserError(`${source.name} ${sentences[call]}`);
}

/** @throws UserError if the model does not embed images and texts into a shared space */
export const imageTextOf = (loaded: LoadedModel): ImageTextModel =>
  loaded.kind === "encoder of images and texts" ? loaded : refuse("recognize", loaded);
