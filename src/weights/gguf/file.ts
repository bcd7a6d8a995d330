import { UserError } from "../../util/errors.ts";
import { withFile } from "../read-file.ts";
import { quote } from "./cursor.ts";
import { dequantize, isDequantizable } from "./dequantize.ts";
import { type GgufFile, parseGguf } from "./header.ts";
import { joinParts } from "./split.ts";
import type { GgufTensor } from "./tensors.ts";

/**
 * Reads the header of a GGUF file, and of those that follow when it is the first part of a split one; no weights.
 * Throws a `UserError` when there is no such file or it is malformed.
 */
export function openGguf(path: string): GgufFile {
  return joinParts(openPart(path), openPart);
}

function openPart(path: string): GgufFile {
  return withFile(path, parseGguf);
}

/** The bytes of one tensor, as they lie in the file, in a buffer of their own. Throws a `UserError` when they cannot be read. */
export function readTensor({ path, name, offset, bytes }: GgufTensor): Uint8Array<ArrayBuffer> {
  return withFile(path, ({ read }) => new Uint8Array(read(offset, bytes, `tensor ${quote(name)}`).buffer));
}

/** One tensor's weights as float32, in row-major order of its shape. Throws a `UserError` for a type that is not dequantised. */
export function readFloats(tensor: GgufTensor): Float32Array<ArrayBuffer> {
  const { path, name, type, shape } = tensor;
  if (!isDequantizable(type)) {
    throw new UserError(`${path}: tensor ${quote(name)} is of type ${type}, which is not supported yet`);
  }
  const count = shape.reduce((total, size) => total * size, 1);
  return dequantize(type, readTensor(tensor), count);
}
