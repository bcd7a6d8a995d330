import { closeSync, openSync } from "node:fs";
import { UserError } from "./errors.ts";

/** The message for a full disk, with what to do about it. */
export const DISK_FULL = "the disk is full; free space on it";

/** Messages for system errors about files and folders that a user can fix. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: "the disk quota is used up; free space",
  EFBIG: "the file would be larger than this process or disk allows",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOENT: "a folder on its path cannot be created",
  ENOTDIR: "a part of the path is a file, not a folder",
  EEXIST: "a file is in the way",
  EISDIR: "a folder is in the way",
  ELOOP: "its symbolic links form a loop",
};

/** The `code` of a system error, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** The reason a file or folder cannot be written; undefined for errors unrelated to the disk. */
export const reasonOf = (error: unknown): string | undefined => reasons[codeOf(error) ?? ""];

/**
 * The reason a file cannot be opened for writing, for libraries that give none. Opens the file, or creates it if it is
 * missing.
 */
export function unopened(path: string): string | undefined {
  try {
    closeSync(openSync(path, "a"));
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Describes a failed read in one sentence; errors other than system errors are returned unchanged. */
export function readError(error: unknown, file: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (code === "ENOENT") return new UserError(`${file}: there is no such file`);
  if (code === "EISDIR") return new UserError(`${file}: this is a folder, expected a file`);
  return new UserError(
    `${file}: the file cannot be read (${reasonOf(error) ?? (error as Error).message.split(",")[0]})`,
  );
}

/** Describes a failed write in one sentence; other errors are returned unchanged. */
export function writeError(error: unknown, path: string): unknown {
  const reason = reasonOf(error);
  return reason === undefined ? error : new UserError(`cannot write ${path}: ${reason}`);
}
