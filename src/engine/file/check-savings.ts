import { checkSeams, type Recipe } from "../../savings/recipe.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { kindOf } from "../kinds/index.ts";

/**
 * Finds the errors of loading a model under a recipe, from little more than its file's header; returns the recipe with
 * the model's presets.
 * @throws UserError
 */
export async function checkSavings(model: ResolvedModel, recipe: Recipe): Promise<Recipe> {
  checkSeams(recipe);
  if (recipe.length === 0) return recipe;
  const checkpoint = openCheckpoint(model.path);
  return kindOf(checkpoint).check(model, checkpoint, recipe);
}
