import type { DecoderConfig } from "../../models/decoder/decoder.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";

/**
 * Refuses savings for a kind of model without seams; `what` starts the message, such as "minilm is an encoder".
 * @throws UserError
 */
export function refuseSavings(what: string, recipe: Recipe): Recipe {
  if (recipe.length === 0) return recipe;
  throw new UserError(`${what}, which has no seams for savings: "${recipe[0]!.text}" cannot act`, 2);
}

/** Refuses savings that do not support a decoder with positions on several axes. @throws UserError */
export function refuseOnAxes(name: string, { axes }: Pick<DecoderConfig, "axes">, recipe: Recipe): void {
  const wrong = axes && recipe.find(({ saving }) => !saving.servesAxes);
  if (wrong) throw new UserError(`${name} has positions on three axes, so "${wrong.text}" cannot act`, 2);
}

/** The `use` of a loaded model without seams. @throws UserError for any saving */
export async function useDense(name: string, recipe: Recipe): Promise<undefined> {
  if (recipe.length > 0) throw new UserError(`${name} has no seam for savings: "${recipe[0]!.text}" cannot act`, 2);
}
