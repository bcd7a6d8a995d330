import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { checkedNamed, readNamed } from "../util/named-options.ts";
import { present } from "./legacy.ts";
import { savingNamed } from "./registry.ts";
import type { Saving } from "./saving.ts";

/** One saving with its options, as parsed; `text` has the options that the user gave. */
export interface Step {
  readonly text: string;
  readonly saving: Saving;
  readonly options: unknown;
}

/** An ordered list of savings with options; empty is dense. */
export type Recipe = readonly Step[];

/** A recipe file: a list of `name:key=value` texts, or of objects `{ name, …options }`. */
const recipeFile = z.array(z.union([z.string(), z.looseObject({ name: z.string() })]));

/**
 * Reads `name` or `name:key=value,key=value`.
 * @throws UserError that names the saving, the option and the expected value
 */
export function parseStep(text: string): Step {
  const { name, values } = readNamed(text, (saving) => {
    if (saving === "dense") throw new UserError(`dense is the empty recipe and takes no options, got "${text}"`, 2);
    savingNamed(saving);
  });
  return step(name, values);
}

function step(written: string, given: Readonly<Record<string, unknown>>): Step {
  const { name, values } = present(written, given);
  const saving = savingNamed(name);
  const options = checkedNamed(name, saving.options, values);
  return { text: textOf(name, Object.keys(values), options), saving, options };
}

/** Values as they were read, so that 0.90 is 0.9. */
function textOf(name: string, given: readonly string[], options: unknown): string {
  const values = options as Readonly<Record<string, unknown>>;
  return given.length > 0 ? `${name}:${given.map((key) => `${key}=${values[key]}`).join()}` : name;
}

/** Parses a recipe from texts, in order; `dense` alone is the empty one. */
export function parseRecipe(texts: readonly string[]): Recipe {
  return texts.filter((text) => text !== "dense").map(parseStep);
}

/** A recipe from the contents of a JSON or YAML file, already read into plain values. */
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

/** @throws UserError if two savings of the recipe take the same place in the model */
export function checkSeams(recipe: Recipe): void {
  const taken = new Map<string, string>();
  for (const { saving, options } of recipe)
    for (const seam of saving.seams(options)) {
      const other = taken.get(seam);
      if (other !== undefined)
        throw new UserError(`both ${other} and ${saving.name} take ${seam} of the model; a recipe has one of them`, 2);
      taken.set(seam, saving.name);
    }
}
