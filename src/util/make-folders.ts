import { mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { few, UserError } from "./errors.ts";
import { codeOf, writeError } from "./system-errors.ts";

/**
 * Makes a folder and its parents; returns the topmost new one, if any. Node's recursive `mkdirSync` never returns on
 * a file system that says "no such file" about a folder with an existing parent, as Linux's /proc does.
 * @throws the system's error
 */
export function makeFolders(folder: string): string | undefined {
  if (isFolder(folder)) return undefined;
  const above = dirname(folder);
  const topmost = above === folder ? undefined : makeFolders(above);
  try {
    mkdirSync(folder);
  } catch (error) {
    // Another process may have made the folder first.
    if (codeOf(error) !== "EEXIST" || !isFolder(folder)) throw error;
  }
  return topmost ?? folder;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Requires a new folder, or one without files except `ignored`. @throws UserError */
export function requireEmpty(folder: string, ignored?: string): void {
  const names = namesIn(folder).filter((name) => name !== ignored);
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
