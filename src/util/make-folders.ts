import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { codeOf } from "./system-errors.ts";

/**
 * Makes a folder and its parents; returns the topmost new one, if any. Node's own recursive form never returns on a
 * file system that says "no such file" about a folder with an existing parent, as Linux's /proc does.
 * @throws the system's error
 */
export function makeFolders(folder: string): string | undefined {
  if (isFolder(folder)) return undefined;
  const above = dirname(folder);
  const topmost = above === folder ? undefined : makeFolders(above);
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process may have made it first.
    if (codeOf(error) !== "EEXIST" || !isFolder(folder)) throw error;
  }
  return topmost ?? folder;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
