import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { bundledFolders } from "../util/model-folders.ts";
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

/** The presets that come with the packages for a saving. @throws UserError if a file is damaged */
export const bundledPresets = (saving: string, roots?: readonly string[]): Preset[] =>
  bundledFolders(saving, FILE, roots).map((folder) => readJson(join(folder, FILE), presetFile, "preset"));

/** The model that a recipe is for. */
type Host = Pick<SavingHost, "decoder" | "hash" | "form">;

/**
 * A recipe for one model: names alone that mean its presets have their options.
 * @throws UserError if the model has no preset for one, or by its defaults one never acts
 */
export const withPresets = (recipe: Recipe, host: Host, roots?: readonly string[]): Promise<Recipe> =>
  Promise.all(recipe.map((step) => (step.text === step.saving.name ? named(step, host, roots) : step)));

/** A step that is a name alone. */
async function named(step: Step, host: Host, roots?: readonly string[]): Promise<Step> {
  const { name, unsupported, idle } = step.saving;
  const why = unsupported(host.decoder, host.form);
  if (why !== undefined && idle?.(host.form) === undefined)
    throw new UserError(`${name} does not serve this model: it has ${why}`, 2);
  if (meansPreset(step)) return presetOf(step, host, roots);
  requireRoom(step, host);
  return step;
}

async function presetOf(
  { saving: { name, withoutPreset } }: Step,
  { hash }: Host,
  roots?: readonly string[],
): Promise<Step> {
  const presets = bundledPresets(name, roots);
  // A file of one's own is read whole for its hash.
  const sha256 = presets.length > 0 ? await hash() : undefined;
  const preset = presets.find(({ model }) => model.sha256 === sha256);
  if (!preset) throw new UserError(`${name}: ${withoutPreset}`, 2);
  return parseStep(preset.recipe);
}

/** @throws UserError if no prompt of the model is long enough for a saving's defaults */
function requireRoom({ saving: { name, leastPrompt }, options }: Step, { decoder: { config } }: Host): void {
  const tokens = leastPrompt?.tokens(options) ?? 0;
  if (tokens <= config.context) return;
  const choose = `choose fewer, such as ${name}:${leastPrompt!.option}=${Math.ceil(config.context / 2)}`;
  throw new UserError(
    `${name}: by default it acts on prompts of ${tokens} tokens or more, and this model's context is ${config.context}; ${choose}`,
    2,
  );
}
