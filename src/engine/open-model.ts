import { isEncoder } from "../models/registry.ts";
import type { Recipe } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";
import { withAdapter } from "../weights/adapter/merge.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import type { Quant } from "../weights/prepared/weights.ts";
import type { ResolvedModel } from "../weights/sources/index.ts";
import { EncoderModel } from "./encoder-model.ts";
import { LanguageModel } from "./language-model.ts";

/** Loads what a file holds: a language model under a recipe, or an encoder. @throws UserError when it is nothing that runs here */
export async function openModel(
  source: ResolvedModel,
  recipe: Recipe,
  quant: Quant = "auto",
  adapter?: string,
): Promise<LanguageModel | EncoderModel> {
  const base = openCheckpoint(source.path);
  const checkpoint = adapter === undefined ? base : withAdapter(base, adapter);
  if (!isEncoder(checkpoint)) return LanguageModel.load(source, recipe, quant, checkpoint);
  if (recipe.length > 0)
    throw new UserError(
      `${source.name} is an encoder, and no saving has a seam in it: "${recipe[0]!.text}" cannot act`,
    );
  return EncoderModel.load(source, checkpoint, quant);
}
