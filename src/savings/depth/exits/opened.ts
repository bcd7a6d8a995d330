import { noticeForm } from "../../notice-form.ts";
import type { SavingHost } from "../../seams.ts";
import { type Exits, type ExitsFile, openExits } from "./artefact.ts";
import { bundledExits } from "./bundled.ts";

/**
 * The exits of the folder that a user names, or those that the package ships for the model; undefined if there are none.
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
  noticeForm(exits.folder, exits.about, host.form, host.onNotice);
  return exits;
}
