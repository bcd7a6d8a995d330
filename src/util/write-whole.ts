import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolders } from "./make-folders.ts";
import { writeError } from "./system-errors.ts";

/**
 * Writes a file as `NAME….part` and renames it, so that it is never partial, even with concurrent writers. `mode` is
 * the file's permissions.
 * @throws UserError if writing fails
 */
export const writeWhole = (file: string, text: string, mode?: number): Promise<void> =>
  fillWhole(file, (part) => part.writeFile(text), mode);

/** Like `writeWhole`, with `fill` writing the contents. */
export async function fillWhole(file: string, fill: (part: FileHandle) => Promise<void>, mode?: number): Promise<void> {
  const part = `${file}.${randomUUID()}.part`;
  try {
    const handle = await open(part, "w", mode);
    try {
      await fill(handle);
    } finally {
      await handle.close();
    }
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw writeError(error, file);
  }
}

/** Refuses an unwritable file before the work starts. @throws UserError */
export async function checkWritable(file: string): Promise<void> {
  const isNew = !existsSync(file);
  try {
    await (await open(file, "a")).close();
    if (isNew) await rm(file);
  } catch (error) {
    throw writeError(error, file);
  }
}

/** Like `writeWhole`, for a value as indented JSON. */
export const writeJson = (file: string, value: unknown, mode?: number): Promise<void> =>
  writeWhole(file, `${JSON.stringify(value, null, 2)}\n`, mode);

/** Like `writeJson`, but first creates the folder, one of this program's own, if it is missing. */
export async function keepJson(file: string, value: unknown, mode?: number): Promise<void> {
  try {
    makeFolders(dirname(file));
  } catch (error) {
    throw writeError(error, file);
  }
  await writeJson(file, value, mode);
}
