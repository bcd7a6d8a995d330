import path from "node:path";
import type { Recipe, Step } from "./recipe.ts";

/** Options of a step that name a file of this machine, and the paths as written. */
const filesOfStep = ({ saving, options }: Step): [key: string, path: string][] =>
  (saving.files ?? []).flatMap((key) => {
    const value = (options as Readonly<Record<string, unknown>>)[key];
    return typeof value === "string" ? [[key, value]] : [];
  });

/** The files that a recipe's options name, by the paths as written. */
export const filesOf = (recipe: Recipe): string[] => recipe.flatMap(filesOfStep).map(([, file]) => file);

/** A step as it is written so that it means the same in every folder: its files by their absolute paths. */
export function absoluteText(step: Step): string {
  const given = filesOfStep(step);
  return given.reduce(
    (text, [key, file]) => text.replace(`${key}=${file}`, () => `${key}=${path.resolve(file)}`),
    step.text,
  );
}
