import { bundledFolders } from "../../../util/model-folders.ts";
import { readJson } from "../../../weights/json-file.ts";
import { noticeForm } from "../../notice-form.ts";
import type { SavingHost } from "../../seams.ts";
import { type Exits, type ExitsFile, exitsFile, exitsJson, openExits } from "./artefact.ts";

/**
 * Finds the exits in the user's folder, or the exits that the package ships for the model, if any.
 * @throws UserError if they are damaged or for another model
 */
export async function findExits(
  saving: ExitsFile["saving"],
  host: SavingHost,
  file: string | undefined,
): Promise<Exits | undefined> {
  const { decoder, hash } = host;
  const sha256 = await hash();
  const folder = file ?? bundledExits(saving, sha256);
  if (folder === undefined) return undefined;
  const exits = openExits(folder, { sha256, config: decoder.config });
  noticeForm(exits.folder, exits.metadata, host.form, host.onNotice);
  return exits;
}

/**
 * The folder of exits that the package ships for a saving and a model hash, if any.
 * @throws UserError if a file is damaged
 */
const bundledExits = (saving: ExitsFile["saving"], sha256: string): string | undefined =>
  bundledFolders(saving, "exits.json").find(
    (folder) => readJson(exitsJson(folder), exitsFile, "exits").model.sha256 === sha256,
  );
