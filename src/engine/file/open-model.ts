import type { Recipe } from "../../savings/recipe.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { kindOf, type LoadedModel } from "../kinds/index.ts";
import { type AdapterFolders, openAdapted } from "./adapters.ts";

/** Loads a file of any supported kind, to run under `recipe`. @throws UserError if it is not supported */
export async function openModel(
  source: ResolvedModel,
  recipe: Recipe,
  quant: Quant = "auto",
  adapters: AdapterFolders = {},
  onNotice?: (sentence: string) => void,
): Promise<LoadedModel> {
  const adapted = openAdapted(source.path, adapters);
  return kindOf(adapted.checkpoint).open({ source, adapted, recipe, quant, onNotice });
}
