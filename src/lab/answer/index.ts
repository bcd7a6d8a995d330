import { EncoderModel } from "../../engine/encoder-model.ts";
import { openModel } from "../../engine/open-model.ts";
import { Seq2SeqModel } from "../../engine/seq2seq-model.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import type { Answerer, Truncation } from "./answerer.ts";
import { DecoderAnswerer } from "./decoder.ts";
import { EncoderAnswerer } from "./encoder.ts";
import { Seq2SeqAnswerer } from "./seq2seq.ts";

export { type Answered, type Answerer, type Plan, type Truncation, truncations } from "./answerer.ts";

/** What a model is loaded with. */
export interface Setting {
  readonly source: ResolvedModel;
  readonly recipe: Recipe;
  readonly quant: Quant;
  /** Undefined: prompts beyond the context are not answered. */
  readonly truncate: Truncation | undefined;
}

/** Loads a model under a recipe to answer items. @throws UserError */
export async function openAnswerer({ source, recipe, quant, truncate }: Setting): Promise<Answerer> {
  const model = await openModel(source, recipe, quant);
  if (model instanceof EncoderModel) return encoderAnswerer(model, truncate);
  if (model instanceof Seq2SeqModel) return new Seq2SeqAnswerer(model, truncate);
  return DecoderAnswerer.open(model, truncate);
}

function encoderAnswerer(model: EncoderModel, truncate: Truncation | undefined): Answerer {
  if (truncate === undefined) return new EncoderAnswerer(model);
  model[Symbol.dispose]();
  throw new UserError(
    `${model.source.name} is an encoder, which cuts long texts at their end, as it was trained to; --truncate is for models that generate`,
    2,
  );
}
