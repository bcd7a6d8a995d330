import { bundledFolders } from "../../../util/model-folders.ts";
import { readJson } from "../../../weights/json-file.ts";
import { type ExitsFile, exitsFile, exitsJson } from "./artefact.ts";

/**
 * The folder of the exits that the package ships for a saving and the model with this hash; undefined if there are none.
 * @throws UserError if a file is damaged
 */
export const bundledExits = (saving: ExitsFile["saving"], sha256: string): string | undefined =>
  bundledFolders(saving, "exits.json").find(
    (folder) => readJson(exitsJson(folder), exitsFile, "exits").model.sha256 === sha256,
  );
