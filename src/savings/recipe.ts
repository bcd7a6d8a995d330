import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { checkedNamed, readNamed } from "../util/named-options.ts";
import { AUTO, autoSaving } from "./auto/auto.ts";
import { type DefaultChange, oldestDefaults } from "./default-changes.ts";
import { savingNamed } from "./registry.ts";
import type { Saving } from "./saving.ts";

/** One saving with its parsed options; `text` has the options as the user wrote them. */
export interface Step {
  readonly text: string;
  readonly saving: Saving;
  readonly options: unknown;
}

/** An ordered list of savings with options; the empty list is dense. */
export type Recipe = readonly Step[];

/** A recipe file: a list of `name:key=value` texts, or of objects `{ name, …options }`. */
const recipeFile = z.array(z.union([z.string(), z.looseObject({ name: z.string() })]));

/**
 * Reads `name` or `name:key=value,key=value`.
 * @throws UserError that names the saving, the option and the expected value
 */
export function parseStep(text: string): Step {
  if (text.startsWith(`${AUTO}:`)) return certified(text);
  const { name, values } = readStep(text);
  return step(name, values);
}

// A certificate holds for the options that it was measured with, even if defaults have changed since.
const auto: Saving = autoSaving((texts) => texts.map((text) => earlierStep(text).step)) as Saving;

/** `auto:NAME`, with or without `,else=dense`: recipes chosen by a certificate. */
function certified(text: string): Step {
  const [name, other] = text.slice(AUTO.length + 1).split(",else=");
  return { text, saving: auto, options: checkedNamed(AUTO, auto.options, { name, else: other }) };
}

/** The recipe as a default for requests: outside a certificate's range, it runs dense. */
export const asUsual = (recipe: Recipe): Recipe =>
  recipe.map((step) =>
    step.saving === auto && !step.text.includes(",") ? certified(`${step.text},else=dense`) : step,
  );

const readStep = (text: string) =>
  readNamed(text, (saving) => {
    if (saving === "dense") throw new UserError(`dense is the empty recipe and takes no options, got "${text}"`, 2);
    savingNamed(saving);
  });

function step(name: string, values: Readonly<Record<string, unknown>>): Step {
  const saving = savingNamed(name);
  const bare = saving.withoutPreset !== undefined && Object.keys(values).length === 0;
  const options = bare ? {} : checkedNamed(name, saving.options, values);
  return { text: textOf(name, Object.keys(values), options), saving, options };
}

/** True if a step is a bare name that means a model's preset: its options depend on the model. */
export const meansPreset = ({ saving, options }: Step): boolean =>
  saving.withoutPreset !== undefined && Object.keys(options as object).length === 0;

/** A step with every option that has a value, as text: later changes to defaults do not affect it. */
export function resolvedStep({ text, saving, options }: Step): string {
  if (saving === auto) return text;
  const values = Object.entries(options as Readonly<Record<string, unknown>>);
  return textOf(
    saving.name,
    values.flatMap(([key, value]) => (value === undefined ? [] : [key])),
    options,
  );
}

/** A step stored by an older version, with that version's defaults. */
export interface EarlierStep {
  readonly step: Step;
  readonly retained: readonly DefaultChange[];
}

/**
 * Reads an older step, given as typed and, if known, with every option. The result's text has the typed options, and
 * each option whose default has changed since.
 * @throws UserError like `parseStep`
 */
export function earlierStep(typed: string, resolved = typed): EarlierStep {
  if (typed.startsWith(`${AUTO}:`)) return { step: certified(typed), retained: [] };
  const { values: typedValues } = readStep(typed);
  const { name, values } = readStep(resolved);
  const saving = savingNamed(name);
  const retained = oldestDefaults(name).filter(
    ({ option, unless }) => ![option, unless].some((key) => key !== undefined && Object.hasOwn(values, key)),
  );
  const old = Object.fromEntries(retained.map(({ option, before }) => [option, before]));
  const options = checkedNamed(name, saving.options, { ...old, ...values });
  const today = saving.options.safeParse(typedValues).data as Readonly<Record<string, unknown>> | undefined;
  const changed = Object.entries(options as object)
    .filter(([key, value]) => !Object.hasOwn(typedValues, key) && value !== undefined && value !== today?.[key])
    .map(([key]) => key);
  return {
    step: { text: textOf(name, [...Object.keys(typedValues), ...changed], options), saving, options },
    retained,
  };
}

/** A step as text, with values as parsed, so that 0.90 becomes 0.9. */
function textOf(name: string, keys: readonly string[], options: unknown): string {
  const values = options as Readonly<Record<string, unknown>>;
  return keys.length > 0 ? `${name}:${keys.map((key) => `${key}=${values[key]}`).join()}` : name;
}

/** Parses a recipe from texts, in order; a single `dense` is the empty recipe. */
export function parseRecipe(texts: readonly string[]): Recipe {
  return texts.filter((text) => text !== "dense").map(parseStep);
}

/** A recipe from the values of a JSON or YAML file. */
export function recipeFromValues(values: unknown, file: string): Recipe {
  const result = recipeFile.safeParse(values);
  if (!result.success)
    throw new UserError(`${file}: expected a list of savings, each "name:key=value" or an object with a name`);
  return result.data
    .filter((entry) => entry !== "dense")
    .map((entry) => {
      if (typeof entry === "string") return parseStep(entry);
      const { name, ...options } = entry;
      return step(name, options);
    });
}

/** @throws UserError if two savings use the same seam; presets are checked once their options are known */
export function checkSeams(recipe: Recipe): void {
  const certified = recipe.find(({ saving }) => saving === auto);
  if (certified && recipe.length > 1)
    throw new UserError(`${certified.text} is a whole recipe; leave out the other savings`, 2);
  const bySeam = new Map<string, string>();
  for (const { saving, options } of recipe.filter((step) => !meansPreset(step)))
    for (const seam of saving.seams(options)) {
      const other = bySeam.get(seam);
      if (other !== undefined) {
        const clash =
          other === saving.name ? `${other} is given twice` : `${other} and ${saving.name} both change ${seam}`;
        throw new UserError(`${clash}; a recipe can have only one of them`, 2);
      }
      bySeam.set(seam, saving.name);
    }
}
