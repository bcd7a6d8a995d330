import { rmdirSync, rmSync } from "node:fs";
import { mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { makeFolders, requireEmpty } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";

/** The folder for files before they are moved. A killed export leaves it behind, and the next one removes it. */
const ASIDE = ".exporting";

/** The result of an export. */
export interface ExportResult {
  readonly folder: string;
  /** The names of the files. */
  readonly files: readonly string[];
  /** The number of bytes of the weights. */
  readonly bytes: number;
}

/** Checks that a model can be exported into `folder`, which must be new or empty. @throws UserError */
export const checkExportFolder = (folder: string): void => requireEmpty(folder, ASIDE);

/** Moves the files that `write` creates into `folder`: all or none; the weights or graphs come last. */
export async function intoFolder(folder: string, write: (aside: string) => Promise<void>): Promise<string[]> {
  const aside = path.join(folder, ASIDE);
  let outermost: string | undefined;
  try {
    outermost = makeFolders(folder);
    rmSync(aside, { recursive: true, force: true });
    await mkdir(aside);
    await write(aside);
    const isLast = (name: string) => Number(/\.(onnx|safetensors|gguf)$/.test(name));
    const names = (await readdir(aside)).sort((a, b) => isLast(a) - isLast(b));
    for (const name of names) await rename(path.join(aside, name), path.join(folder, name));
    rmdirSync(aside);
    return names;
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (outermost !== undefined) removeEmpty(folder, outermost);
    throw writeError(error, folder);
  }
}

/** Removes `folder`, and its parents up to `last`, as long as they are empty. */
function removeEmpty(folder: string, last: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return;
  }
  if (folder !== last) removeEmpty(path.dirname(folder), last);
}
