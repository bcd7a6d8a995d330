import { checkBytes } from "./dequantize.ts";
import { halfBits } from "./half.ts";

/** Blocks taken apart for kernels that want codes and scales by themselves. Row-major; a block is 32 weights of one row. */
export interface UnpackedQ4_1 {
  /** One code 0–15 a weight, [rows × cols]. */
  codes: Uint8Array<ArrayBuffer>;
  /** [rows × cols / 32]; weight = fround(fround(scale · code) + min). */
  scale: Float32Array<ArrayBuffer>;
  /** [rows × cols / 32] */
  min: Float32Array<ArrayBuffer>;
}

export interface UnpackedQ8_0 {
  /** One code −128–127 a weight, [rows × cols]. */
  codes: Int8Array<ArrayBuffer>;
  /** [rows × cols / 32]; weight = fround(scale · code). */
  scale: Float32Array<ArrayBuffer>;
}

const BLOCK = 32;

/** `cols` is a multiple of 32. Throws a `RangeError` when `bytes` are not those of rows × cols weights. */
export function unpackQ4_1(bytes: Uint8Array, rows: number, cols: number): UnpackedQ4_1 {
  const blocks = blockCount("Q4_1", bytes, rows, cols);
  const words = new Uint32Array(...aligned(bytes, 4));
  const half = halfBits();
  const codes = new Uint32Array(blocks * 8);
  const scale = new Uint32Array(blocks);
  const min = new Uint32Array(blocks);
  // Four bytes at a time; no order of bytes within a word is assumed but that of the halves, little-endian as the file.
  for (let block = 0, at = 0, out = 0; block < blocks; block++, at += 5, out += 8) {
    const head = words[at]!;
    scale[block] = half[head & 0xffff]!;
    min[block] = half[head >>> 16]!;
    for (let j = 0; j < 4; j++) {
      const nibbles = words[at + 1 + j]!;
      codes[out + j] = nibbles & 0x0f0f0f0f;
      codes[out + j + 4] = (nibbles >>> 4) & 0x0f0f0f0f;
    }
  }
  return {
    codes: new Uint8Array(codes.buffer),
    scale: new Float32Array(scale.buffer),
    min: new Float32Array(min.buffer),
  };
}

/** `cols` is a multiple of 32. Throws a `RangeError` when `bytes` are not those of rows × cols weights. */
export function unpackQ8_0(bytes: Uint8Array, rows: number, cols: number): UnpackedQ8_0 {
  const blocks = blockCount("Q8_0", bytes, rows, cols);
  const words = new Uint16Array(...aligned(bytes, 2));
  const half = halfBits();
  const codes = new Uint16Array(blocks * 16);
  const scale = new Uint32Array(blocks);
  for (let block = 0, at = 0, out = 0; block < blocks; block++, at += 17, out += 16) {
    scale[block] = half[words[at]!]!;
    for (let j = 0; j < 16; j++) codes[out + j] = words[at + 1 + j]!;
  }
  return { codes: new Int8Array(codes.buffer), scale: new Float32Array(scale.buffer) };
}

function blockCount(type: "Q4_1" | "Q8_0", bytes: Uint8Array, rows: number, cols: number): number {
  if (cols % BLOCK !== 0) throw new RangeError(`${type} rows have a multiple of ${BLOCK} weights, got ${cols}`);
  checkBytes(type, bytes, rows * cols);
  return (rows * cols) / BLOCK;
}

/** What a typed array of `size`-byte elements over `bytes` is made from; copied only if `bytes` begin at an odd place. */
function aligned(bytes: Uint8Array, size: number): [ArrayBufferLike, number, number] {
  const at = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return [at.buffer, at.byteOffset, at.length / size];
}
