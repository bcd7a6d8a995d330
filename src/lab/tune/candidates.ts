import { resolvedText } from "../../savings/files.ts";
import { checkSeams, parseRecipe, type Recipe } from "../../savings/recipe.ts";
import { savings } from "../../savings/registry.ts";
import { UserError } from "../../util/errors.ts";
import { count } from "../report/format.ts";
import type { Candidate } from "./problem.ts";

/** A candidate that cannot act here, and the reason. */
export interface Exclusion {
  readonly recipe: string;
  readonly family: string;
  readonly reason: string;
}

export const recipeOf = (text: string): Recipe => parseRecipe(text.split(" "));

/** A recipe with all options spelled out. */
export const textOf = (recipe: Recipe): string => recipe.map(resolvedText).join(" ");

/** The settings that savings declare; each saving is a family. */
export const declared = (layers: number): Candidate[] =>
  savings.flatMap(({ name, settings }) =>
    (settings?.(layers) ?? []).map((options, boldness) => ({
      recipe: textOf(parseRecipe([`${name}:${options}`])),
      family: name,
      boldness,
    })),
  );

/** The savings without settings for a model with this number of layers, and the reasons. */
export const undeclared = (layers: number): Exclusion[] =>
  savings
    .filter(({ settings }) => (settings?.(layers) ?? []).length === 0)
    .map(({ name, untuned = `it has no settings for a model with ${count(layers, "layer")}` }) => ({
      recipe: name,
      family: name,
      reason: untuned,
    }));

/** A user's own candidates, each its own family. @throws UserError */
export function own(recipes: readonly Recipe[]): Candidate[] {
  const texts = [...new Set(recipes.map(textOf))].filter((text) => text !== "");
  if (texts.length === 0) throw new UserError("--candidates: the file has no recipes besides dense");
  return texts.map((recipe) => ({ recipe, family: recipe, boldness: 0 }));
}

/**
 * Separates the candidates that can act in the model on some prompt from the other candidates.
 * @param check refuses a recipe that the model cannot run
 */
export async function acting(
  candidates: readonly Candidate[],
  lengths: readonly number[],
  check: (recipe: Recipe) => Promise<void>,
): Promise<{ readonly candidates: Candidate[]; readonly excluded: Exclusion[] }> {
  const allowed: Candidate[] = [];
  const exclusions: Exclusion[] = [];
  for (const candidate of candidates) {
    const reason = await whyNot(recipeOf(candidate.recipe), lengths, check);
    if (reason === undefined) allowed.push(candidate);
    else exclusions.push({ recipe: candidate.recipe, family: candidate.family, reason });
  }
  return { candidates: allowed, excluded: exclusions };
}

async function whyNot(recipe: Recipe, lengths: readonly number[], check: (recipe: Recipe) => Promise<void>) {
  const from = Math.max(0, ...recipe.map(({ saving, options }) => saving.leastPrompt?.tokens(options) ?? 0));
  const sorted = lengths.toSorted((a, b) => a - b);
  if (from > sorted.at(-1)!)
    return `the median prompt has ${count(sorted[sorted.length >> 1]!, "token")}, but it acts only on prompts from ${from.toLocaleString("en")}`;
  try {
    await check(recipe);
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/** Combines two recipes; undefined if they share a saving or change the same place in the model. */
export function union(a: Candidate, b: Candidate): Candidate | undefined {
  const steps = [...recipeOf(a.recipe), ...recipeOf(b.recipe)];
  if (new Set(steps.map(({ saving }) => saving.name)).size < steps.length) return undefined;
  try {
    checkSeams(steps);
  } catch {
    return undefined;
  }
  return { recipe: textOf(steps), family: `${a.family}+${b.family}`, boldness: 0 };
}
