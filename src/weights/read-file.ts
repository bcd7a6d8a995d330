import { Buffer, constants } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { UserError } from "../util/errors.ts";
import { readError } from "../util/system-errors.ts";

/** Node reads at most 2 GiB at once. */
const MAX_READ = 2 ** 30;

/** A file open for positioned reads. `path`, as the user wrote it, names the file in every error. */
export interface OpenFile {
  readonly path: string;
  readonly size: number;
  /**
   * Reads bytes into a separate buffer.
   * @throws UserError if there are too many (`what` names them in the message), or the file was truncated
   */
  read(offset: number, length: number, what?: string): Buffer<ArrayBuffer>;
}

/** Opens a file for as long as `use` runs. @throws UserError if it is missing or cannot be read */
export function withFile<T>(path: string, use: (file: OpenFile) => T): T {
  let fd: number | undefined;
  try {
    // This is checked before opening, because opening a pipe would wait for a writer.
    if (!statSync(path).isFile()) throw new UserError(`${path}: this is not a file`);
    const opened = openSync(path, "r");
    fd = opened;
    // The path may already name a different file, because writers replace whole files.
    return use({ path, size: fstatSync(opened).size, read: (...span) => read(path, opened, ...span) });
  } catch (error) {
    throw readError(error, path);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function read(path: string, fd: number, offset: number, length: number, what = "a part"): Buffer<ArrayBuffer> {
  if (length > constants.MAX_LENGTH) {
    const most = `more than the limit of this Node.js, ${constants.MAX_LENGTH}`;
    throw new UserError(`${path}: ${what} has ${length} bytes, ${most}`);
  }
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    const got = readSync(fd, bytes, done, Math.min(length - done, MAX_READ), offset + done);
    if (got === 0) throw new UserError(`${path}: the file now ends at ${offset + done}: it was shortened while in use`);
    done += got;
  }
  return bytes;
}
