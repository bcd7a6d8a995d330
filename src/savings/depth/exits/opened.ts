import type { SavingHost } from "../../seams.ts";
import { type Exits, type ExitsFile, openExits } from "./artefact.ts";
import { bundledExits } from "./bundled.ts";

/**
 * The exits of the folder that a user names, or those that the package ships for the model; undefined if there are none.
 * @throws UserError if they are damaged or for another model
 */
export function findExits(
  saving: ExitsFile["saving"],
  { decoder, sha256 }: SavingHost,
  file: string | undefined,
): Exits | undefined {
  const folder = file ?? bundledExits(saving, sha256);
  return folder === undefined ? undefined : openExits(folder, { sha256, config: decoder.config });
}
