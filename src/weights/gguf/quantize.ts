import { toHalf, toHalves } from "./half.ts";
import { byteLength, type GgmlType } from "./types.ts";

/** The storage types that can be written. */
export type WrittenType = Extract<GgmlType, "F32" | "F16" | "Q8_0" | "Q4_0" | "Q4_1">;

/** The number of weights per block. */
export const BLOCK = 32;

/** Writes the block `values[from …]` to `out[at …]`. */
type BlockEncoder = (values: Float32Array, from: number, out: Uint8Array, at: number) => void;

const encoders = { Q8_0: q8, Q4_0: q4, Q4_1: q4Minimum };

/**
 * Quantises float32 weights to a storage type, bit for bit like `gguf.quants.quantize` in the gguf Python package.
 * @throws RangeError if the weights do not fill whole blocks
 */
export function quantize(type: WrittenType, values: Float32Array): Uint8Array {
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (type === "F16") return new Uint8Array(toHalves(values).buffer);
  if (values.length % BLOCK !== 0) throw new RangeError(`${values.length} weights are not whole blocks of ${BLOCK}`);
  const encode: BlockEncoder = encoders[type];
  const out = new Uint8Array(byteLength(type, values.length));
  const bytes = byteLength(type, BLOCK);
  for (let from = 0, at = 0; from < values.length; from += BLOCK, at += bytes) encode(values, from, out, at);
  return out;
}

// Every operation rounds to float32, as in the C code.
const f32 = Math.fround;
const inverse = (scale: number): number => (scale === 0 ? 0 : f32(1 / scale));

function putHalf(out: Uint8Array, at: number, value: number): void {
  const half = toHalf(value);
  out[at] = half & 255;
  out[at + 1] = half >> 8;
}

function q8(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let most = 0;
  for (let i = from; i < from + BLOCK; i++) most = Math.max(most, Math.abs(values[i]!));
  const scale = f32(most / 127);
  const factor = inverse(scale);
  putHalf(out, at, scale);
  for (let i = 0; i < BLOCK; i++) {
    const value = f32(values[from + i]! * factor);
    // Values halfway between two codes are rounded away from zero.
    out[at + 2 + i] = Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
  }
}

function q4(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let farthest = values[from]!;
  for (let i = from; i < from + BLOCK; i++) if (Math.abs(values[i]!) > Math.abs(farthest)) farthest = values[i]!;
  const scale = f32(farthest / -8);
  const factor = inverse(scale);
  putHalf(out, at, scale);
  putCodes(out, at + 2, (i) => f32(f32(values[from + i]! * factor) + 8.5));
}

function q4Minimum(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let [least, most] = [values[from]!, values[from]!];
  for (let i = from; i < from + BLOCK; i++) {
    least = Math.min(least, values[i]!);
    most = Math.max(most, values[i]!);
  }
  const scale = f32(f32(most - least) / 15);
  const factor = inverse(scale);
  putHalf(out, at, scale);
  putHalf(out, at + 2, least);
  putCodes(out, at + 4, (i) => f32(f32(f32(values[from + i]! - least) * factor) + 0.5));
}

/** Writes codes of 4 bits: the first half of a block in the low bits, the second in the high bits. */
function putCodes(out: Uint8Array, at: number, code: (i: number) => number): void {
  const clipped = (i: number) => Math.min(15, Math.trunc(code(i)));
  for (let i = 0; i < BLOCK / 2; i++) out[at + i] = clipped(i) | (clipped(i + BLOCK / 2) << 4);
}
