import type { LanguageModel } from "../engine/decode/language-model.ts";
import type { DiffusionModel } from "../engine/diffusion/diffusion-model.ts";
import type { EncoderModel } from "../engine/encoders/text/encoder-model.ts";
import type { LoadedModel } from "../engine/kinds/index.ts";
import type { Seq2SeqModel } from "../engine/seq2seq/seq2seq-model.ts";
import { UserError } from "../util/errors.ts";

/** A model that writes texts. */
export type Generative = LanguageModel | Seq2SeqModel | DiffusionModel;

/** @throws UserError if the model writes no texts */
export function generativeOf(loaded: LoadedModel): Generative {
  switch (loaded.kind) {
    case "decoder":
    case "diffusion language model":
    case "encoder with a decoder":
      return loaded;
    case "encoder":
      throw new UserError(
        `${loaded.source.name} is an encoder, which embeds or classifies texts; expected a model that generates`,
      );
    case "encoder of images and texts":
      throw new UserError(`${loaded.source.name} encodes images and texts; expected a model that generates`);
    case "image encoder":
      throw new UserError(`${loaded.source.name} encodes images; expected a model that generates text`);
    case "image generator":
      throw new UserError(`${loaded.source.name} draws images; expected a model that generates text`);
  }
}

/** @throws UserError if the model does not encode texts alone */
export function encoderOf(loaded: LoadedModel): EncoderModel {
  switch (loaded.kind) {
    case "encoder":
      return loaded;
    case "decoder":
    case "diffusion language model":
    case "encoder with a decoder":
      throw new UserError(`${loaded.source.name} generates text; expected an encoder, such as minilm for embeddings`);
    case "encoder of images and texts":
      throw new UserError(`${loaded.source.name} encodes images and texts; expected an encoder of texts alone`);
    case "image encoder":
      throw new UserError(`${loaded.source.name} reads images alone; expected an encoder of texts, such as minilm`);
    case "image generator":
      throw new UserError(`${loaded.source.name} draws images; expected an encoder, such as minilm for embeddings`);
  }
}
