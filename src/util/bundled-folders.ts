import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

/** The folders `models/MODEL/KIND` that hold `file`: artefacts that the package ships. */
export const bundledFolders = (kind: string, file: string, models = join(packageRoot(), "models")): string[] =>
  readdirSync(models)
    .map((model) => join(models, model, kind))
    .filter((folder) => existsSync(join(folder, file)));
