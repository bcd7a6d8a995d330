import { setImmediate } from "node:timers/promises";
import { checkSeams, parseRecipe, type Recipe } from "../../savings/recipe.ts";
import { savings } from "../../savings/registry.ts";
import { UserError } from "../../util/errors.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { kindOf } from "../kinds/index.ts";

/**
 * Finds errors that loading a model with a recipe would raise, mostly from its file's header; returns the recipe with
 * the model's presets.
 * @throws UserError
 */
export async function checkSavings(model: ResolvedModel, recipe: Recipe): Promise<Recipe> {
  checkSeams(recipe);
  if (recipe.length === 0) return recipe;
  const checkpoint = openCheckpoint(model.path);
  return (await (await kindOf(checkpoint)).load()).check(model, checkpoint, recipe);
}

/** The savings that a model supports without options, mostly from its file's header. */
export async function bareSavings(model: ResolvedModel): Promise<string[]> {
  const checkpoint = openCheckpoint(model.path);
  const kind = await (await kindOf(checkpoint)).load();
  const names: string[] = [];
  for (const { name } of savings) {
    // Each check may take a tenth of a second, during which a server answers nothing else.
    await setImmediate();
    try {
      await kind.check(model, checkpoint, parseRecipe([name]));
      names.push(name);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return names;
}
