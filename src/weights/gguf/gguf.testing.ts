import { Buffer } from "node:buffer";
import type { ByteSource } from "./cursor.ts";
import { entry, type Field, header, tensorInfo, u32 } from "./fields.ts";
import { GGML_TYPES, type GgmlType } from "./types.ts";

export { entry, type Field, header, tensorInfo, text, u32, u64 } from "./fields.ts";

/** A tensor to write: `shape` is row-major, `data` holds the file's bytes. */
export interface TensorSpec {
  name: string;
  type: GgmlType;
  shape: number[];
  data: Uint8Array;
}

export interface GgufSpec {
  version?: number;
  /** Also written as metadata, if it differs from the default of 32. */
  alignment?: number;
  metadata?: Record<string, Field>;
  tensors?: TensorSpec[];
}

/** A little-endian GGUF file in memory, for tests. The last tensor ends the file, so cutting a byte is always detected. */
export function writeGguf({ version = 3, alignment = 32, metadata = {}, tensors = [] }: GgufSpec): Buffer {
  const stated: Record<string, Field> = alignment === 32 ? {} : { "general.alignment": ["uint32", alignment] };
  const fields = Object.entries({ ...stated, ...metadata }).map(([key, field]) => entry(key, field));
  const infos: Buffer[] = [];
  let data: Buffer = Buffer.alloc(0);
  for (const tensor of tensors) {
    data = pad(data, alignment);
    infos.push(tensorInfo(tensor.name, tensor.shape, tensor.type, data.length));
    data = Buffer.concat([data, tensor.data]);
  }
  const start = Buffer.concat([header(infos.length, fields.length, version), ...fields, ...infos]);
  return Buffer.concat([pad(start, alignment), data]);
}

/** The offsets of a block's half-precision scale and minimum. */
const HALVES: Partial<Record<GgmlType, readonly number[]>> = {
  ...{ Q4_0: [0], Q4_1: [0, 2], Q5_0: [0], Q5_1: [0, 2], Q8_0: [0], IQ4_NL: [0], IQ4_XS: [0] },
  ...{ Q2_K: [80, 82], Q3_K: [108], Q4_K: [0, 2], Q5_K: [0, 2], Q6_K: [208] },
};
/** 0, −0, the smallest denormal, 0.01, 0.25, 1, −1, −2, 100. */
const FINITE = [0, 0x8000, 1, 0x211f, 0x3400, 0x3c00, 0xbc00, 0xc000, 0x5640];

/** Blocks with random codes. Their half-precision fields run through all pairs of `FINITE`. */
export function finiteBlocks(type: GgmlType, blocks: number, random: () => number): Uint8Array<ArrayBuffer> {
  const { bytes } = GGML_TYPES[type];
  const out = Uint8Array.from({ length: blocks * bytes }, () => 256 * random());
  for (let i = 0; i < blocks; i++) {
    const pair = [FINITE[i % FINITE.length]!, FINITE[Math.floor(i / FINITE.length) % FINITE.length]!];
    for (const [field, at] of (HALVES[type] ?? []).entries()) out.set(u16(pair[field]!), i * bytes + at);
    // MXFP4 blocks begin with an exponent instead of float16s.
    if (type === "MXFP4") out[i * bytes] = 110 + (i % 20);
  }
  return out;
}

function u16(value: number): Buffer {
  return u32(value).subarray(0, 2);
}

/** Presents a buffer as a file named `test.gguf`. */
export function memorySource(bytes: Buffer): ByteSource {
  return { path: "test.gguf", size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

function pad(bytes: Buffer, alignment: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((alignment - (bytes.length % alignment)) % alignment)]);
}
