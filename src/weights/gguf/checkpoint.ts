import type { CodeBits } from "../../graph/index.ts";
import type { Checkpoint, Rows } from "../checkpoint.ts";
import type { KernelMatrix } from "../prepared/layout.ts";
import { byteLength, type GgufTensor, kernelForm, openGguf, readFloats, readTensor, toKernelMatrix } from "./index.ts";

/** Opens a GGUF file as a checkpoint. @throws UserError if it is missing or malformed */
export function ggufCheckpoint(path: string): Checkpoint {
  const { files, metadata, tensors } = openGguf(path);
  return {
    path,
    files,
    config: { kind: "gguf", path, metadata },
    architecture: metadata.string("general.architecture"),
    tensors,
    floats: ({ name, shape }, rows) => readFloats(part({ ...tensors.get(name)!, shape: [...shape] }, rows)),
    form: ({ name, shape }) => (shape.length === 2 ? kernelForm(tensors.get(name)!.type) : undefined),
    blocks: ({ name, shape }, bits, rows) =>
      kernelMatrix(part({ ...tensors.get(name)!, shape: [...shape] }, rows), bits),
  };
}

/** Rows of a tensor, in whole blocks, as a separate tensor. */
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

function kernelMatrix(tensor: GgufTensor, bits: CodeBits): KernelMatrix {
  return toKernelMatrix(tensor.type, readTensor(tensor), tensor.shape as [number, number], bits);
}
