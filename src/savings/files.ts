import path from "node:path";
import { type Recipe, resolvedStep, type Step } from "./recipe.ts";

/** Options of a step that name a file of this machine, and the paths as written. */
const filesOfStep = ({ saving, options }: Step): [key: string, path: string][] =>
  (saving.files ?? []).flatMap((key) => {
    const value = (options as Readonly<Record<string, unknown>>)[key];
    return typeof value === "string" ? [[key, value]] : [];
  });

/** The files that a recipe's options name, by the paths as written. */
export const filesOf = (recipe: Recipe): string[] => recipe.flatMap(filesOfStep).map(([, file]) => file);

/** A step as it is written so that it means the same in every folder: its files by their absolute paths. */
export const absoluteText = (step: Step): string => withAbsolute(step, step.text);

/** A step as it is written so that it means the same in every folder and every later version: with every option. */
export const resolvedText = (step: Step): string => withAbsolute(step, resolvedStep(step));

const withAbsolute = (step: Step, written: string): string =>
  filesOfStep(step).reduce(
    (text, [key, file]) => text.replace(`${key}=${file}`, () => `${key}=${path.resolve(file)}`),
    written,
  );
