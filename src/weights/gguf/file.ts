import { Buffer, constants } from "node:buffer";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { UserError } from "../../util/errors.ts";
import { quote } from "./cursor.ts";
import { dequantize, isDequantizable } from "./dequantize.ts";
import { type GgufFile, parseGguf } from "./header.ts";
import type { GgufTensor } from "./tensors.ts";

/** Node reads at most 2 GiB at once. */
const MAX_READ = 2 ** 30;

/** Reads the header of a GGUF file; no weights. Throws a `UserError` when there is no such file or it is malformed. */
export function openGguf(path: string): GgufFile {
  return withFile(path, (fd, size) => parseGguf({ path, size, read: (at, length) => read(path, fd, at, length) }));
}

/** The bytes of one tensor, as they lie in the file, in a buffer of their own. Throws a `UserError` when they cannot be read. */
export function readTensor(file: GgufFile, tensor: GgufTensor): Uint8Array<ArrayBuffer> {
  if (tensor.bytes > constants.MAX_LENGTH) {
    const most = `more than the ${constants.MAX_LENGTH} that this Node.js holds at once`;
    throw new UserError(`${file.path}: tensor ${quote(tensor.name)} has ${tensor.bytes} bytes, ${most}`);
  }
  return withFile(file.path, (fd) => new Uint8Array(read(file.path, fd, tensor.offset, tensor.bytes).buffer));
}

/** One tensor's weights as float32, in row-major order of its shape. Throws a `UserError` for a type that is not dequantised. */
export function readFloats(file: GgufFile, tensor: GgufTensor): Float32Array<ArrayBuffer> {
  const { name, type, shape } = tensor;
  if (!isDequantizable(type)) {
    throw new UserError(`${file.path}: tensor ${quote(name)} is of type ${type}, which is not supported yet`);
  }
  const count = shape.reduce((total, size) => total * size, 1);
  return dequantize(type, readTensor(file, tensor), count);
}

function withFile<T>(path: string, use: (fd: number, size: number) => T): T {
  let fd: number | undefined;
  try {
    // Asked before opening: opening a pipe would wait for a writer.
    const stat = statSync(path);
    if (!stat.isFile()) throw new UserError(`${path}: this is not a file`);
    fd = openSync(path, "r");
    return use(fd, stat.size);
  } catch (error) {
    throw asUserError(path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function read(path: string, fd: number, offset: number, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    const got = readSync(fd, bytes, done, Math.min(length - done, MAX_READ), offset + done);
    if (got === 0) throw new UserError(`${path}: the file ends at ${offset + done}, it became shorter while in use`);
    done += got;
  }
  return bytes;
}

function asUserError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  return new UserError(`${path}: the file cannot be read (${error.message.split(",")[0]})`);
}
