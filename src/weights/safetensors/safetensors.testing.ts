import { Buffer } from "node:buffer";
import type { OpenFile } from "../read-file.ts";
import { bytesOf, type Dtype } from "./dtypes.ts";

/** A safetensors file with any header, and `data` bytes of weights. */
export function withHeader(header: string | Uint8Array, data: number, claimed?: number | bigint): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed ?? text.length));
  return Buffer.concat([length, text, Buffer.alloc(data)]);
}

export interface TensorSpec {
  dtype: Dtype;
  shape: number[];
  /** The tensor's bytes in the file; zeros by default. */
  data?: Uint8Array;
}

/** A valid safetensors file in memory, for tests. */
export function writeSafetensors(tensors: Record<string, TensorSpec>, metadata?: Record<string, string>): Buffer {
  let end = 0;
  const spans = Object.entries(tensors).map(([name, { dtype, shape }]) => {
    const begin = end;
    end += shape.reduce((total, size) => total * size, bytesOf(dtype));
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const header = JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(spans) });
  const file = withHeader(header.padEnd(Math.ceil(header.length / 8) * 8), end);
  const at = file.length - end;
  for (const [name, { data_offsets }] of spans) file.set(tensors[name]!.data ?? [], at + data_offsets[0]!);
  return file;
}

/** Presents a buffer as a file named `test.safetensors`. */
export function memoryFile(bytes: Buffer): OpenFile {
  const read = (offset: number, length: number) =>
    Buffer.from(new Uint8Array(bytes.subarray(offset, offset + length)).buffer);
  return { path: "test.safetensors", size: bytes.length, read };
}
