import { UserError } from "../../util/errors.ts";
import type { Checkpoint, Rows } from "../checkpoint.ts";
import { quote } from "../gguf/cursor.ts";
import { withFile } from "../read-file.ts";
import { decoderOf } from "./dtypes.ts";
import { parseHeader, type SafeTensor } from "./header.ts";

/** Reads weights, or `rows` of them, as float32, row-major. @throws UserError if they cannot be read */
export function readFloats(tensor: SafeTensor, rows?: Rows): Float32Array<ArrayBuffer> {
  const decode = decoderOf(tensor.type);
  if (!decode)
    throw new UserError(
      `${tensor.file}: tensor ${quote(tensor.name)} is of dtype ${tensor.type}, which is not supported`,
    );
  const row = rows ? tensor.bytes / tensor.shape[0]! : 0;
  const [begin, end] = rows ? [rows[0] * row, rows[1] * row] : [0, tensor.bytes];
  return decode(readBytes(tensor, begin, end).buffer);
}

/** Reads bytes `begin` to `end` − 1 of a tensor's data. */
export const readBytes = ({ name, file, offset }: SafeTensor, begin: number, end: number) =>
  withFile(file, ({ read }) => read(offset + begin, end - begin, `tensor ${quote(name)}`));

/** Tensors, and a function that reads them as float32. */
export const readable = (tensors: ReadonlyMap<string, SafeTensor>): Pick<Checkpoint, "tensors" | "floats"> => ({
  tensors,
  floats: ({ name, shape }, rows) => readFloats({ ...tensors.get(name)!, shape }, rows),
});

/** The weights in one safetensors file, which need not be an entire model. @throws UserError if it is malformed */
export const safetensorsFile = (file: string): ReturnType<typeof readable> => readable(withFile(file, parseHeader));
