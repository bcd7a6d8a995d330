import path from "node:path";
import { type Recipe, resolvedStep, type Step } from "./recipe.ts";

/** The options in a step that name local files, with the paths as written. */
const filesOfStep = ({ saving, options }: Step): [key: string, path: string][] =>
  (saving.files ?? []).flatMap((key) => {
    const value = (options as Readonly<Record<string, unknown>>)[key];
    return typeof value === "string" ? [[key, value]] : [];
  });

/** The files named in a recipe's options, with the paths as written. */
export const filesOf = (recipe: Recipe): string[] => recipe.flatMap(filesOfStep).map(([, file]) => file);

/** A step as text that means the same in every folder: with absolute paths. */
export const absoluteText = (step: Step): string => withAbsolute(step, step.text);

/** A step as text that means the same in every folder and every later version: with absolute paths and every option. */
export const resolvedText = (step: Step): string => withAbsolute(step, resolvedStep(step));

const withAbsolute = (step: Step, written: string): string =>
  filesOfStep(step).reduce(
    (text, [key, file]) => text.replace(`${key}=${file}`, () => `${key}=${path.resolve(file)}`),
    written,
  );
