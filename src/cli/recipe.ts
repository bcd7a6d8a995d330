import { parseRecipe, type Recipe, recipeFromValues } from "../savings/recipe.ts";
import { readValues } from "../util/values-file.ts";
import { type Quant, quantOptions } from "../weights/prepared/weights.ts";
import { readFlags } from "./flags.ts";

/** The recipe of a call: the file's savings, then `--save`'s, in order. @throws UserError */
export async function recipeOf(saves: readonly string[], file: string | undefined): Promise<Recipe> {
  const fromFile = file === undefined ? [] : recipeFromValues(await readValues(file, "the recipe"), file);
  return [...fromFile, ...parseRecipe(saves)];
}

/** The form of the weights, if the call names one; else a registered recipe may set it. @throws UserError */
export const formOption = (flags: Readonly<Record<string, unknown>>): { quant?: Quant } =>
  flags["quant"] === undefined ? {} : readFlags(quantOptions, flags);
