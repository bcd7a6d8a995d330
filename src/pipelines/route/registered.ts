import { registeredRecipes } from "../../savings/registered.ts";
import { isPairName } from "./name.ts";

/** A pair's name with the certificate that a registered one stands for, `A>B@mine`; other names as they are. */
export async function spelledOut(text: string): Promise<string> {
  if (!isPairName(text)) return text;
  const all = await registeredRecipes();
  const entry = Object.hasOwn(all, text) ? all[text]! : undefined;
  return entry ? `${entry.model}@${entry.recipe.join()}` : text;
}
