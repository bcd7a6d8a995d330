import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { bundledFolders } from "../util/model-folders.ts";
import { readJson } from "../weights/json-file.ts";
import { meansPreset, parseStep, type Recipe, type Step } from "./recipe.ts";
import type { SavingHost } from "./seams.ts";

const FILE = "preset.json";

/** The meaning of a saving's bare name on one model: `models/MODEL/SAVING/preset.json`. */
const presetFile = z.strictObject({
  model: z.strictObject({ name: z.string(), sha256: z.string() }),
  /** The saving with the measured options. */
  recipe: z.string(),
  /** The lab run behind the preset: a package folder whose summary has the recipe. */
  evidence: z.string(),
});
export type Preset = z.infer<typeof presetFile>;

/** The presets that the packages ship for a saving. @throws UserError if a file is damaged */
export const bundledPresets = (saving: string, roots?: readonly string[]): Preset[] =>
  bundledFolders(saving, FILE, roots).map((folder) => readJson(join(folder, FILE), presetFile, "preset"));

/** The parts of a model that presets depend on. */
type Host = Pick<SavingHost, "decoder" | "hash" | "form">;

/**
 * A recipe for one model: each bare name that means a preset gets the preset's options.
 * @throws UserError if the model lacks such a preset, or a saving never acts with its defaults
 */
export const withPresets = (recipe: Recipe, host: Host, roots?: readonly string[]): Promise<Recipe> =>
  Promise.all(recipe.map((step) => (step.text === step.saving.name ? named(step, host, roots) : step)));

/** Replaces a bare name that means a preset with the model's preset. */
async function named(step: Step, host: Host, roots?: readonly string[]): Promise<Step> {
  const { name, unsupported, idle } = step.saving;
  const why = unsupported(host.decoder, host.form);
  if (why !== undefined && idle?.(host.form) === undefined)
    throw new UserError(`${name} does not support this model: it has ${why}`, 2);
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
  // Hashing a user's own file reads all of it.
  const sha256 = presets.length > 0 ? await hash() : undefined;
  const preset = presets.find(({ model }) => model.sha256 === sha256);
  if (!preset) throw new UserError(`${name}: ${withoutPreset}`, 2);
  return parseStep(preset.recipe);
}

/** @throws UserError if the model's context is too short for a saving's defaults */
function requireRoom({ saving: { name, leastPrompt }, options }: Step, { decoder: { config } }: Host): void {
  const tokens = leastPrompt?.tokens(options) ?? 0;
  if (tokens <= config.context) return;
  const choose = `choose fewer, such as ${name}:${leastPrompt!.option}=${Math.ceil(config.context / 2)}`;
  throw new UserError(
    `${name}: by default it acts on prompts of ${tokens} tokens or more, but this model's context is ${config.context}; ${choose}`,
    2,
  );
}
