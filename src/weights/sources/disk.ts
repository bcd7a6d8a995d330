import { existsSync, statSync } from "node:fs";
import { mkdir, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "../../util/errors.ts";

/** `93.4 MB`: decimal, as disks and networks are sold. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** @throws UserError when `folder` has less than `bytes` free, naming both figures and `what` was to be written. */
export async function ensureSpace(folder: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= bytes) return;
  throw new UserError(`the disk of ${folder} has ${megabytes(free)} free, ${what} needs ${megabytes(bytes)}`);
}

/** Bytes free on the disk of a folder, or of as much of its path as there is yet. */
export async function freeBytes(folder: string): Promise<number> {
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = await statfs(there);
  return bavail * bsize;
}

/** Makes a folder and those above it. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(error, folder);
  });
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than this process or disk allows",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOENT: "a folder on its path cannot be made",
  ENOTDIR: "a part of the path is a file, not a folder",
  EEXIST: "a file is in the way",
};

/** A failed write as one sentence; errors that are no fault of the disk come back as they are. */
export function writeError(error: unknown, path: string): unknown {
  const reason = reasons[codeOf(error) ?? ""];
  return reason === undefined ? error : new UserError(`cannot write ${path}: ${reason}`);
}

/** The `code` of a system error, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Size of a file, or nothing where there is none. */
export const heldBytes = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size;
