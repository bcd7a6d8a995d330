import { existsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";

/** Formats bytes as `93.4 MB`: decimal, as usual for disks and networks. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** @throws UserError, stating both sizes, if `folder` has less than `bytes` free; `what` names the data to write */
export async function ensureSpace(folder: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= bytes) return;
  throw new UserError(
    `the disk of ${folder} has ${megabytes(free)} free, but ${what} needs ${megabytes(bytes)}; free space on it`,
  );
}

/** The free bytes on the disk that holds a folder or, if it is missing, its nearest existing parent. */
export async function freeBytes(folder: string): Promise<number> {
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = await statfs(there);
  return bavail * bsize;
}

/** Makes a folder and its parents. @throws UserError if it cannot be made */
export function makeFolder(folder: string): void {
  try {
    makeFolders(folder);
  } catch (error) {
    throw writeError(error, folder);
  }
}

/** The size of a file; undefined if it is missing. */
export const heldBytes = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size;
