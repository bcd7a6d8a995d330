import { floatDecoder } from "../gguf/floats.ts";

/** The format's element types, with their sizes in bytes (safetensors' README and its `Dtype`). */
const BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;
export type Dtype = keyof typeof BYTES;

export const dtypes = Object.keys(BYTES) as readonly Dtype[];

export const isDtype = (name: unknown): name is Dtype => typeof name === "string" && Object.hasOwn(BYTES, name);

export const bytesOf = (dtype: Dtype): number => BYTES[dtype];

type Decode = (buffer: ArrayBuffer) => Float32Array<ArrayBuffer>;

const decoders: Partial<Record<Dtype, Decode>> = {
  BOOL: (buffer) => Float32Array.from(new Uint8Array(buffer), Math.sign),
  U8: (buffer) => new Float32Array(new Uint8Array(buffer)),
  I8: (buffer) => new Float32Array(new Int8Array(buffer)),
  I32: (buffer) => new Float32Array(new Int32Array(buffer)),
  I64: (buffer) => Float32Array.from(new BigInt64Array(buffer), Number),
  F8_E4M3: (buffer) => Float32Array.from(new Uint8Array(buffer), (byte) => e4m3(byte)),
  F16: decodeFloats("F16"),
  BF16: decodeFloats("BF16"),
  // float32 needs no copy: this is a view of the file.
  F32: (buffer) => new Float32Array(buffer),
  F64: decodeFloats("F64"),
};

/** Converts little-endian elements to float32, rounded to nearest; undefined for types that weights cannot have. */
export const decoderOf = (dtype: Dtype): Decode | undefined => decoders[dtype];

function decodeFloats(type: "F16" | "BF16" | "F64"): Decode {
  const decode = floatDecoder(type)!;
  return (buffer) => {
    const out = new Float32Array(buffer.byteLength / BYTES[type]);
    decode(new DataView(buffer), out);
    return out;
  };
}

/**
 * The 8-bit float format of "FP8 Formats for Deep Learning" (Micikevicius et al. 2022): bias 7, no infinities, NaN if
 * all bits except the sign are set.
 */
function e4m3(byte: number): number {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  if (exponent === 15 && fraction === 7) return Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -9 : sign * (8 + fraction) * 2 ** (exponent - 10);
}
