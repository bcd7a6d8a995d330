import { UserError } from "../../util/errors.ts";
import { halfBits, halfFloats } from "./half.ts";
import { byteLength, type GgmlType } from "./types.ts";

type Decoder = (bytes: Uint8Array, out: Float32Array) => void;

const decoders: Partial<Record<GgmlType, Decoder>> = {
  F32: decodeF32,
  F16: decodeF16,
  Q4_1: decodeQ4_1,
  Q8_0: decodeQ8_0,
};

export function isDequantizable(type: GgmlType): boolean {
  return decoders[type] !== undefined;
}

/**
 * `count` weights of `type` as float32, equal to the last bit to `gguf.quants.dequantize` of the gguf Python package.
 * Throws a `UserError` for a type that is not supported, a `RangeError` when `bytes` are not those of `count` weights.
 */
export function dequantize(type: GgmlType, bytes: Uint8Array, count: number): Float32Array<ArrayBuffer> {
  const decode = decoders[type];
  if (decode === undefined) throw new UserError(`weights of type ${type} are not supported yet`);
  checkBytes(type, bytes, count);
  const out = new Float32Array(count);
  decode(bytes, out);
  return out;
}

export function checkBytes(type: GgmlType, bytes: Uint8Array, count: number): void {
  const expected = byteLength(type, count);
  if (bytes.length === expected && Number.isInteger(expected)) return;
  throw new RangeError(`${count} weights of type ${type} take ${expected} bytes, got ${bytes.length}`);
}

function decodeF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer).set(bytes);
}

function decodeF16(bytes: Uint8Array, out: Float32Array): void {
  const half = halfBits();
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = half[word(bytes, 2 * i)]!;
}

/** Block: scale d, minimum m, 16 bytes whose low nibbles are weights 0–15 and whose high nibbles are 16–31; w = d·q + m. */
function decodeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  const half = halfFloats();
  for (let at = 0, i = 0; i < out.length; at += 20, i += 32) {
    const scale = half[word(bytes, at)]!;
    const min = half[word(bytes, at + 2)]!;
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 4 + j]!;
      // Exact in double (11 + 4 bits, then a span of 45), so the store rounds once, as the float32 sum does.
      out[i + j] = scale * (pair & 15) + min;
      out[i + j + 16] = scale * (pair >> 4) + min;
    }
  }
}

/** Block: scale d, 32 signed bytes; w = d·q. */
function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  const half = halfFloats();
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, i = 0; i < out.length; at += 34, i += 32) {
    const scale = half[word(bytes, at)]!;
    for (let j = 0; j < 32; j++) out[i + j] = scale * signed[at + 2 + j]!;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}
