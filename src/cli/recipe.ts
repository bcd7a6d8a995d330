import { parseRecipe, type Recipe, recipeFromValues } from "../savings/recipe.ts";
import { readValues } from "../util/values-file.ts";

/** The recipe of a call: the file's savings, then those of `--save`, in order. @throws UserError */
export async function recipeOf(saves: readonly string[], file: string | undefined): Promise<Recipe> {
  const fromFile = file === undefined ? [] : recipeFromValues(await readValues(file, "the recipe"), file);
  return [...fromFile, ...parseRecipe(saves)];
}
