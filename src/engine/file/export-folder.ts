import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { few, UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { codeOf, writeError } from "../../util/system-errors.ts";

/** The folder for files before they are moved. A killed export leaves it behind, and the next one removes it. */
const ASIDE = ".exporting";

/** The result of an export. */
export interface Exported {
  readonly folder: string;
  /** The names of the files. */
  readonly files: readonly string[];
  /** The number of bytes of the weights. */
  readonly bytes: number;
}

/** Checks that a model can be exported into `folder`, which must be new or empty. @throws UserError */
export function checkExportFolder(folder: string): void {
  const names = namesIn(folder).filter((name) => name !== ASIDE);
  if (names.length > 0)
    throw new UserError(`${folder}: the folder is not empty (it has ${few(names)}); name a new one`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw writeError(error, folder);
  }
}

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
