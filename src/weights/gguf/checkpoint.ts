import type { Checkpoint, Rows } from "../checkpoint.ts";
import { fromQ4_1, fromQ8_0, type KernelMatrix } from "../prepared/layout.ts";
import {
  byteLength,
  type GgufFile,
  type GgufTensor,
  openGguf,
  readFloats,
  readTensor,
  unpackQ4_1,
  unpackQ8_0,
} from "./index.ts";

/** Opens a GGUF file as a checkpoint. Throws a `UserError` when there is no such file or it is malformed. */
export function ggufCheckpoint(path: string): Checkpoint {
  const file = openGguf(path);
  const { metadata, tensors } = file;
  return {
    path,
    files: [path],
    config: { kind: "gguf", path, metadata },
    architecture: metadata.string("general.architecture"),
    tensors,
    floats: ({ name }, rows) => readFloats(file, part(tensors.get(name)!, rows)),
    inBlocks: ({ type, shape }) => shape.length === 2 && (type === "Q4_1" || type === "Q8_0"),
    blocks: ({ name }, rows) => kernelMatrix(file, part(tensors.get(name)!, rows)),
  };
}

/** Rows of a tensor, which are whole blocks, as a tensor of their own. */
function part(tensor: GgufTensor, rows: Rows | undefined): GgufTensor {
  if (rows === undefined) return tensor;
  const [from, to] = rows;
  const inner = tensor.shape.slice(1);
  const row = byteLength(
    tensor.type,
    inner.reduce((total, size) => total * size, 1),
  );
  return { ...tensor, shape: [to - from, ...inner], offset: tensor.offset + from * row, bytes: (to - from) * row };
}

function kernelMatrix(file: GgufFile, tensor: GgufTensor): KernelMatrix {
  const [rows, cols] = tensor.shape as [number, number];
  const bytes = readTensor(file, tensor);
  return tensor.type === "Q4_1"
    ? fromQ4_1(unpackQ4_1(bytes, rows, cols), rows)
    : fromQ8_0(unpackQ8_0(bytes, rows, cols), rows);
}
