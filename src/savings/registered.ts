import path from "node:path";
import { z } from "zod";
import { suggest, UserError } from "../util/errors.ts";
import { keepJson } from "../util/write-whole.ts";
import { readOptionalJson } from "../weights/json-file.ts";
import { home } from "../weights/sources/home.ts";
import { parseRecipe, type Recipe } from "./recipe.ts";

const schema = z.object({
  /** As a user names it. */
  model: z.string(),
  /** SHA-256 of the model that the evidence is of. */
  model_hash: z.string(),
  recipe: z.array(z.string()),
  /** The run's summary that speaks for it, as it was. */
  evidence: z.object({
    file: z.string(),
    sha256: z.string(),
    task: z.string(),
    metric: z.string(),
    quality: z.number(),
    delta: z.number(),
    flops_saved: z.number(),
  }),
  created: z.iso.datetime(),
});

/** A recipe for one model, kept under a name (`smollm2@fast`). */
export type Registered = z.infer<typeof schema>;

/** Holds every registered recipe by its name. */
const registryFile = (): string => path.join(home(), "recipes.json");

/** By name. @throws UserError when the file cannot be read */
export async function registeredRecipes(): Promise<Record<string, Registered>> {
  return readOptionalJson(registryFile(), z.record(z.string(), schema)) ?? {};
}

/** Keeps a recipe under `name`, in the place of an earlier one of that name. @throws UserError when it cannot be written */
export async function registerRecipe(name: string, entry: Registered): Promise<void> {
  await keepJson(registryFile(), { ...(await registeredRecipes()), [name]: entry });
}

/** What `smollm2@fast` stands for; undefined where the text has no such form. @throws UserError when nothing is registered under the name */
export async function registeredAs(text: string): Promise<(Registered & { steps: Recipe }) | undefined> {
  // An @ in other names comes after a scheme or in a path.
  if (!/^[^:/\\@]+@[^:/\\@]+$/.test(text)) return undefined;
  const all = await registeredRecipes();
  const entry = Object.hasOwn(all, text) ? all[text] : undefined;
  if (entry) return { ...entry, steps: parseRecipe(entry.recipe) };
  const names = Object.keys(all);
  throw new UserError(
    `no recipe is registered as "${text}"${suggest(text, names) || "; `modicum recipes` lists those that are, `lab pick` registers one"}`,
  );
}

/** @throws UserError when the model is another than the one that the recipe was chosen for */
export function requireModel(name: string, { model_hash }: Registered, sha256: string | undefined): void {
  if (sha256 === undefined || sha256 === model_hash) return;
  throw new UserError(
    `${name} was chosen for the model ${model_hash.slice(0, 12)}…, and this one is ${sha256.slice(0, 12)}…; measure again with \`lab run\``,
  );
}
