import { isEncoder, isSeq2Seq, readsTextAlone } from "../models/registry.ts";
import type { Recipe } from "../savings/recipe.ts";
import type { Quant } from "../weights/prepared/weights.ts";
import type { ResolvedModel } from "../weights/sources/index.ts";
import { type AdapterFolders, openAdapted, refuseSeveral } from "./adapters.ts";
import { refuseSeamless } from "./check-savings.ts";
import { EncoderModel } from "./encoder-model.ts";
import { LanguageModel } from "./language-model.ts";
import { Seq2SeqModel } from "./seq2seq-model.ts";

/** Loads what a file holds: a language model, an encoder, or both in one; `recipe` is what it is to run under. @throws UserError when it is nothing that runs here */
export async function openModel(
  source: ResolvedModel,
  recipe: Recipe,
  quant: Quant = "auto",
  adapters: AdapterFolders = {},
  onNotice?: (sentence: string) => void,
): Promise<LanguageModel | EncoderModel | Seq2SeqModel> {
  const adapted = openAdapted(source.path, adapters);
  const { checkpoint } = adapted;
  const [encodes, translates] = [isEncoder(checkpoint), isSeq2Seq(checkpoint)];
  if (!encodes && !translates) {
    if (readsTextAlone(checkpoint)) onNotice?.(`${source.name}: the model's images are not read, its text alone`);
    return LanguageModel.load(source, quant, adapted);
  }
  refuseSeveral(adapted, encodes ? "an encoder" : "an encoder with a decoder");
  refuseSeamless(source.name, checkpoint, recipe);
  return (encodes ? EncoderModel : Seq2SeqModel).load(source, quant, adapted);
}
