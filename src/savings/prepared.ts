import type { Recipe } from "./recipe.ts";
import type { PreparedSaving } from "./saving.ts";
import type { SavingHost } from "./seams.ts";

/** Prepares a recipe's savings for a model, except neutral ones. @throws UserError if one does not support the model */
export async function preparedSavings(recipe: Recipe, host: SavingHost): Promise<PreparedSaving[]> {
  const all: PreparedSaving[] = [];
  try {
    for (const { saving, options } of recipe) {
      const prepared = await saving.prepare(options, host);
      if (prepared) all.push(prepared);
    }
    return all;
  } catch (error) {
    for (const saving of all) saving[Symbol.dispose]();
    throw error;
  }
}
