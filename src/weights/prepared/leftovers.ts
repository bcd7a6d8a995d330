import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { VERSION } from "./store-index.ts";

/** The contents of the folder of prepared weights. */
export interface PreparedUsage {
  /** The folder's total number of bytes. */
  readonly bytes: number;
  /** Folders in another version's layout, which this version does not use. */
  readonly stale: readonly { readonly folder: string; readonly bytes: number }[];
}

/** Inspects the folder that contains a folder per model, each with a folder per form of its weights. */
export function preparedHeld(programs: string): PreparedUsage {
  const models = foldersIn(programs);
  const old = models.flatMap((model) => (isOldModel(model) ? [model] : foldersIn(model).filter(isOldForm)));
  return { bytes: bytesIn(programs), stale: old.map((folder) => ({ folder, bytes: bytesIn(folder) })) };
}

/** Older versions stored a model's weights in its folder, not in a folder for each form. */
const isOldModel = (model: string): boolean => entriesOf(model).some(({ name }) => name === "weights.bin");

/** True for weights of another version; false without an index, because they are still being written. */
function isOldForm(form: string): boolean {
  try {
    return JSON.parse(readFileSync(path.join(form, "weights.json"), "utf8")).version !== VERSION;
  } catch {
    return false;
  }
}

const foldersIn = (folder: string): string[] =>
  entriesOf(folder).flatMap((entry) => (entry.isDirectory() ? [path.join(folder, entry.name)] : []));

function bytesIn(folder: string): number {
  const sizes = entriesOf(folder).map((entry) => {
    const here = path.join(folder, entry.name);
    return entry.isDirectory() ? bytesIn(here) : (statSync(here, { throwIfNoEntry: false })?.size ?? 0);
  });
  return sizes.reduce((a, b) => a + b, 0);
}

/** A folder's entries; empty if it is missing. */
export function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // removed meanwhile, or never created
  }
}
