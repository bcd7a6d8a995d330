import path from "node:path";
import { readText } from "../train/data/files.ts";
import { UserError } from "../util/errors.ts";
import { makeFolders } from "../util/make-folders.ts";
import { writeError } from "../util/system-errors.ts";
import { writeWhole } from "../util/write-whole.ts";

/** The text for a lab measurement. @throws UserError unless it is set once */
export function textOf(text: string | undefined, file: string | undefined): string {
  if ((text === undefined) === (file === undefined))
    throw new UserError("expected a text, or --file FILE with one, and not both", 2);
  return text ?? readText(file!);
}

/** Writes a report as `NAME.json` into a folder, if any. @throws UserError */
export async function writeReport(folder: string | undefined, name: string, report: object): Promise<void> {
  if (folder === undefined) return;
  try {
    makeFolders(folder);
  } catch (error) {
    throw writeError(error, folder);
  }
  await writeWhole(path.join(folder, `${name}.json`), `${JSON.stringify(report, null, 1)}\n`);
}
