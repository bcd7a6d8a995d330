import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { packageRoot } from "./package-root.ts";

/** The package of models that this project trained, except the commands' default models. */
export const MODELS_PACKAGE = "modicum-models";

/** The folders that hold models: this package's, and `modicum-models`' (a workspace in a clone, or installed). */
export function modelRoots(root = packageRoot()): string[] {
  const workspace = join(root, "packages", "models");
  return [join(root, "models"), existsSync(workspace) ? workspace : installed(root)].filter(
    (folder) => folder !== undefined && existsSync(folder),
  ) as string[];
}

function installed(root: string): string | undefined {
  try {
    return dirname(createRequire(join(root, "package.json")).resolve(`${MODELS_PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}

/** The folder of a model, or of a pair such as `A+B`; undefined if no installed package has it. */
export const modelFolder = (name: string, roots: readonly string[] = modelRoots()): string | undefined =>
  roots.map((root) => join(root, name)).find((folder) => existsSync(folder));

/** The folders MODEL/KIND that hold `file`: artefacts that come with a package. */
export const bundledFolders = (kind: string, file: string, roots?: readonly string[]): string[] =>
  kindFolders(kind, roots).filter((folder) => existsSync(join(folder, file)));

/** The JSON files of the folders MODEL/KIND. */
export const bundledJson = (kind: string, roots?: readonly string[]): string[] =>
  kindFolders(kind, roots).flatMap(jsonFiles);

const kindFolders = (kind: string, roots: readonly string[] = modelRoots()): string[] =>
  roots.flatMap((root) => namesIn(root).map((model) => join(root, model, kind)));

/** The JSON files of a folder, sorted; empty if the folder is missing. */
export const jsonFiles = (folder: string): string[] =>
  namesIn(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(folder, name));

/** The names in a folder, sorted; empty if the folder is missing. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
