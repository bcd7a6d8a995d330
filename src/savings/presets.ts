import { join } from "node:path";
import { z } from "zod";
import { bundledFolders } from "../util/bundled-folders.ts";
import { UserError } from "../util/errors.ts";
import { readJson } from "../weights/json-file.ts";
import { meansPreset, parseStep, type Recipe, type Step } from "./recipe.ts";
import type { SavingHost } from "./seams.ts";

const FILE = "preset.json";

/** What a saving's name alone means on one model: `models/MODEL/SAVING/preset.json`. */
const presetFile = z.strictObject({
  model: z.strictObject({ name: z.string(), sha256: z.string() }),
  /** The saving with the options that were measured. */
  recipe: z.string(),
  /** The lab run that speaks for it: a folder of the package whose summary has the recipe. */
  evidence: z.string(),
});
export type Preset = z.infer<typeof presetFile>;

/** The presets that the package ships for a saving. @throws UserError if a file is damaged */
export const bundledPresets = (saving: string, models?: string): Preset[] =>
  bundledFolders(saving, FILE, models).map((folder) => readJson(join(folder, FILE), presetFile, "preset"));

/**
 * A recipe for one model: names alone that mean its presets have their options.
 * @throws UserError if the model has no preset for one
 */
export async function withPresets(
  recipe: Recipe,
  host: Pick<SavingHost, "decoder" | "hash">,
  models?: string,
): Promise<Recipe> {
  return Promise.all(recipe.map((step) => (meansPreset(step) ? presetOf(step, host, models) : step)));
}

async function presetOf(
  { saving }: Step,
  { decoder, hash }: Pick<SavingHost, "decoder" | "hash">,
  models?: string,
): Promise<Step> {
  const { name, withoutPreset } = saving;
  const why = saving.unsupported(decoder);
  if (why !== undefined) throw new UserError(`${name} does not serve this model: it has ${why}`, 2);
  const presets = bundledPresets(name, models);
  // A file of one's own is read whole for its hash.
  const sha256 = presets.length > 0 ? await hash() : undefined;
  const preset = presets.find(({ model }) => model.sha256 === sha256);
  if (!preset) throw new UserError(`${name}: ${withoutPreset}`, 2);
  return parseStep(preset.recipe);
}
