import { UserError } from "../../util/errors.ts";
import { withFile } from "../read-file.ts";
import { quote } from "./cursor.ts";
import { dequantize, isDequantizable } from "./dequantize.ts";
import { type GgufFile, parseGguf } from "./header.ts";
import { joinParts } from "./split.ts";
import type { GgufTensor } from "./tensors.ts";

/**
 * Reads the header of a GGUF file, and the headers of the other parts if it is the first of a split file; reads no
 * weights.
 * @throws UserError if it is missing or malformed
 */
export function openGguf(path: string): GgufFile {
  return joinParts(openPart(path), openPart);
}

function openPart(path: string): GgufFile {
  return withFile(path, parseGguf);
}

/** The bytes of one tensor as stored, in a separate buffer. @throws UserError if they cannot be read */
export function readTensor({ path, name, offset, bytes }: GgufTensor): Uint8Array<ArrayBuffer> {
  return withFile(path, ({ read }) => new Uint8Array(read(offset, bytes, `tensor ${quote(name)}`).buffer));
}

/** One tensor's weights as float32, in row-major order. @throws UserError for a type that cannot be dequantised */
export function readFloats(tensor: GgufTensor): Float32Array<ArrayBuffer> {
  const { path, name, type, shape } = tensor;
  if (!isDequantizable(type)) {
    throw new UserError(`${path}: tensor ${quote(name)} is of type ${type}, which is not supported yet`);
  }
  const count = shape.reduce((total, size) => total * size, 1);
  return dequantize(type, readTensor(tensor), count);
}
