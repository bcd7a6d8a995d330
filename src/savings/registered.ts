import path from "node:path";
import { z } from "zod";
import { suggest, UserError } from "../util/errors.ts";
import { keepJson } from "../util/write-whole.ts";
import { adapterHash } from "../weights/adapter/record.ts";
import { readKeptJson } from "../weights/json-file.ts";
import { type ModelForm, quants } from "../weights/prepared/quant.ts";
import { home } from "../weights/sources/home.ts";
import { modelHash, type ResolvedModel } from "../weights/sources/index.ts";
import { formNames, type PromptForm, questionForm } from "../weights/tokenizer/index.ts";
import { absoluteText, resolvedText } from "./files.ts";
import { formAdvice } from "./notice-form.ts";
import { checkSeams, earlierStep, meansPreset, type Recipe } from "./recipe.ts";

const schema = z.object({
  /** The model's name as the user wrote it. */
  model: z.string(),
  /** SHA-256 of the measured model. */
  model_hash: z.string().optional(),
  /** The form of the measured weights; absent for the default form, or if nothing was measured. */
  quant: z.enum(quants).optional(),
  /** The savings as typed. */
  recipe: z.array(z.string()),
  /** Each saving of `recipe` with every option that has a value; absent in older recipes. */
  resolved: z.array(z.string()).optional(),
  /** The LoRA adapter for all requests: its folder, as an absolute path, and the SHA-256 of its weights. */
  adapter: z.object({ folder: z.string(), sha256: z.string() }).optional(),
  /** The summary of the measured run; absent if a user chose the recipe without the lab. */
  evidence: z
    .object({
      file: z.string(),
      sha256: z.string(),
      task: z.string(),
      metric: z.string(),
      quality: z.number(),
      delta: z.number(),
      flops_saved: z.number(),
      /** Absent in older recipes. */
      prompt: questionForm.optional(),
    })
    .optional(),
  created: z.iso.datetime(),
});

/** A recipe's name, which follows the model's name and an @. */
export const recipeName = z.string().regex(/^[\w.-]{1,100}$/, "expected letters, digits, ., - and _");

/** The part of a registered name before the @: the model's name without source, folders and owner. */
export const shortName = (model: string): string =>
  model
    .split(/[:/\\]/)
    .at(-1)!
    .replaceAll("@", "-");

/** A named recipe for one model (`smollm2@fast`). */
export type RegisteredRecipe = z.infer<typeof schema>;

/** The file that holds all registered recipes by name. */
const registryFile = (): string => path.join(home(), "recipes.json");

/** The recipes by name. @throws KeptFault if the file cannot be read */
export async function registeredRecipes(): Promise<Record<string, RegisteredRecipe>> {
  return readKeptJson(registryFile(), z.record(z.string(), schema)) ?? {};
}

/** Changes to the file run one after another, each on the result of the previous one. */
let last: Promise<unknown> = Promise.resolve();

function change(to: (all: Record<string, RegisteredRecipe>) => Record<string, RegisteredRecipe>): Promise<void> {
  const done = last.then(async () => keepJson(registryFile(), to(await registeredRecipes())));
  last = done.catch(() => {});
  return done;
}

/**
 * Registers a recipe under `name`; returns the recipe that it replaces, if any.
 * @throws UserError if it cannot be written
 */
export async function registerRecipe(name: string, entry: RegisteredRecipe): Promise<RegisteredRecipe | undefined> {
  let earlier: RegisteredRecipe | undefined;
  await change((all) => {
    earlier = Object.hasOwn(all, name) ? all[name] : undefined;
    return { ...all, [name]: entry };
  });
  return earlier;
}

/**
 * A recipe that a user chose by hand for a model, not with the lab; `adapter` is the folder of a LoRA adapter.
 * @throws UserError if its savings conflict, a preset is not known yet, or the folder holds no adapter
 */
export function chosenRecipe(model: string, steps: Recipe, adapter?: string): RegisteredRecipe {
  checkSeams(steps);
  const bare = steps.find(meansPreset);
  if (bare)
    throw new UserError(
      `${bare.text}: its name alone means a preset of ${model}, which is not downloaded; pull it first, or give options`,
      2,
    );
  return {
    ...{ model, ...writtenSteps(steps) },
    ...(adapter !== undefined && { adapter: { folder: path.resolve(adapter), sha256: adapterHash(adapter) } }),
    created: new Date().toISOString(),
  };
}

/** A recipe in its stored form: as typed, and with every option, so later changes to defaults do not affect it. */
export const writtenSteps = (steps: Recipe): { recipe: string[]; resolved: string[] } => ({
  recipe: steps.map(absoluteText),
  resolved: steps.map(resolvedText),
});

/** A stored recipe, and a notice if it keeps old defaults. */
export interface EarlierRecipe {
  readonly steps: Recipe;
  readonly notice?: string;
}

/**
 * Reads the recipe stored under `name`. A recipe without stored options keeps the defaults of its version.
 * @throws UserError if a saving or an option no longer exists
 */
export function earlierRecipe(
  name: string,
  { recipe, resolved }: { readonly recipe: readonly string[]; readonly resolved?: readonly string[] | undefined },
): EarlierRecipe {
  const read = recipe.filter((text) => text !== "dense").map((text, i) => earlierStep(text, resolved?.[i]));
  const steps = read.map(({ step }) => step);
  const defaults = read.flatMap(({ retained }) => retained);
  if (defaults.length === 0) return { steps };
  const changes = defaults.map(({ saving, option, before, now }) => `${saving}'s ${option} ${before}, today ${now}`);
  return { steps, notice: `${name} keeps its older defaults: ${changes.join("; ")}` };
}

/** A recipe as shown in lists: as typed, and with every option whose default has changed since. */
export function listedSteps(entry: RegisteredRecipe): string[] {
  try {
    return earlierRecipe(entry.model, entry).steps.map(({ text }) => text);
  } catch (error) {
    // A recipe with a removed saving must not hide the whole list.
    if (error instanceof UserError) return entry.recipe;
    throw error;
  }
}

/** The result of a registration, for a user: `tiny@fast`, or `tiny@fast, in place of lookup`. */
export const registeredText = (name: string, replaced: RegisteredRecipe | undefined): string =>
  replaced ? `${name}, in place of ${listedSteps(replaced).join(" ") || "dense"}` : name;

/** @throws UserError if nothing is registered under the name */
export const unregisterRecipe = (name: string): Promise<void> =>
  change((all) => {
    if (!Object.hasOwn(all, name)) throw unknownRecipe(name, Object.keys(all));
    const { [name]: _, ...others } = all;
    return others;
  });

/**
 * The recipe registered under a name such as `smollm2@fast`; undefined for any other text.
 * @throws UserError if the name is not registered
 */
export async function registeredAs(text: string): Promise<(RegisteredRecipe & EarlierRecipe) | undefined> {
  // In other names, an @ comes after a scheme or in a path.
  if (!/^[^:/\\@]+@[^:/\\@]+$/.test(text)) return undefined;
  const all = await registeredRecipes();
  const entry = Object.hasOwn(all, text) ? all[text] : undefined;
  if (entry) return { ...entry, ...earlierRecipe(text, entry) };
  throw unknownRecipe(text, Object.keys(all));
}

const unknownRecipe = (name: string, names: readonly string[]): UserError =>
  new UserError(
    `no recipe is registered as "${name}"${suggest(name, names) || "; `modicum recipes` lists registered recipes; `lab pick` and `recipes add` register one"}`,
  );

/** @param hash the model's hash, computed only if the recipe has one. @throws UserError if the recipe is for another model */
export async function requireModel(
  name: string,
  { model_hash }: RegisteredRecipe,
  source: ResolvedModel,
  hash: (source: ResolvedModel) => Promise<string> = modelHash,
): Promise<void> {
  if (model_hash === undefined) return;
  const sha256 = await hash(source);
  if (sha256 === model_hash) return;
  throw new UserError(
    `${name} was chosen for the model ${model_hash.slice(0, 12)}…, but this one is ${sha256.slice(0, 12)}…; measure again with \`lab run\``,
  );
}

/**
 * The adapter folder of a registered recipe. `named` is the adapter that the caller requests. @throws UserError if the
 * adapter's files have changed, or the recipe was measured without the requested adapter
 */
export function requireAdapter(
  name: string,
  { adapter, evidence }: RegisteredRecipe,
  named?: string,
): string | undefined {
  if (named !== undefined && (adapter ?? evidence))
    throw new UserError(
      `${name} was ${evidence ? "measured" : "registered"} ${adapter ? `with the adapter ${adapter.folder}` : "without an adapter"}; expected the same here`,
      2,
    );
  if (adapter === undefined) return named;
  if (adapterHash(adapter.folder) === adapter.sha256) return adapter.folder;
  throw new UserError(
    `${name} was registered with the adapter ${adapter.folder}, whose files have changed since; register it again`,
  );
}

/** A notice for a recipe measured in the model's default form, if the model runs in rotated bytes. */
export function otherForm(
  name: string,
  { quant = "auto", recipe, evidence }: RegisteredRecipe,
  running: ModelForm,
): string | undefined {
  if (evidence === undefined || recipe.length === 0 || running.quant !== "q8r" || quant === "q8r") return undefined;
  return `${name} was measured in form ${quant}, but the model runs in q8r here${formAdvice(quant, "q8r")}`;
}

/**
 * Checks that a recipe was measured on prompts of this form; `form` is undefined for token ids, which may have any
 * form.
 * @returns a notice for the user if the measurement may not apply
 * @throws UserError if the recipe was measured on prompts of the other form
 */
export function requireForm(
  name: string,
  { recipe, evidence }: RegisteredRecipe,
  form: PromptForm | undefined,
): string | undefined {
  // Dense recipes fit prompts of any form.
  if (evidence === undefined || recipe.length === 0) return undefined;
  const { prompt, task } = evidence;
  if (prompt === undefined)
    return `${name} was measured before the form of prompts was recorded; \`lab run\` and \`lab pick\` measure it as it is served`;
  if (prompt === "scored")
    return `${name} was measured by the likelihood of given texts (${task}), not by its generated answers`;
  if (form === undefined || form === prompt) return undefined;
  throw new UserError(
    `${name} was measured on ${formNames[prompt]} (${task}), but this prompt is read as ${formNames[form]}; measure it in this form with \`lab run\`, or send prompts in the measured form`,
    2,
  );
}
