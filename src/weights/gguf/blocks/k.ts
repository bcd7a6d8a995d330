import { halfFloats } from "../half.ts";
import { type BlockForm, type Groups, words16, words32 } from "./form.ts";

/**
 * The "K" types of ggml: blocks of 256 weights. Each group's scale (and minimum) is a small integer times a
 * half-precision number (`block_q2_K` … `block_q6_K` of ggml-common.h). float32 represents these products exactly.
 */
export const kForms = {
  Q2_K: { group: 16, bits: 2, zero: 0, hasMin: true, unpack: unpackQ2 },
  Q3_K: { group: 16, bits: 3, zero: 4, hasMin: false, unpack: unpackQ3 },
  Q4_K: { group: 32, bits: 4, zero: 0, hasMin: true, unpack: (bytes, to) => unpackQ4Q5(bytes, to, 4) },
  Q5_K: { group: 32, bits: 5, zero: 0, hasMin: true, unpack: (bytes, to) => unpackQ4Q5(bytes, to, 5) },
  Q6_K: { group: 16, bits: 6, zero: 32, hasMin: false, unpack: unpackQ6 },
} satisfies Record<string, BlockForm>;

/** Block: 16 bytes of scales (low bits) and minima (high), 64 of codes, 2 float16s. A byte holds 4 weights, 32 apart. */
function unpackQ2(bytes: Uint8Array, { codes, scale, min }: Groups): void {
  const half = halfFloats();
  const words = words32(bytes);
  const fours = words32(codes);
  for (let block = 0, at = 0, out = 0; at < words.length; block++, at += 21, out += 64) {
    const d = half[words[at + 20]! & 0xffff]!;
    const dmin = half[words[at + 20]! >>> 16]!;
    for (let g = 0; g < 16; g++) {
      scale[16 * block + g] = d * (bytes[4 * at + g]! & 15);
      min[16 * block + g] = -(dmin * (bytes[4 * at + g]! >> 4));
    }
    for (let j = 0; j < 64; j++) {
      const source = words[at + 4 + 8 * (j >> 5) + (j & 7)]!;
      fours[out + j] = (source >>> (2 * ((j >> 3) & 3))) & 0x03030303;
    }
  }
}

/**
 * Block: 32 bytes of third bits, 64 bytes of the lower two bits as in Q2_K, 12 bytes of 6-bit scales, a float16. An
 * unset third bit means −4.
 */
function unpackQ3(bytes: Uint8Array, { codes, scale }: Groups): void {
  const half = halfFloats();
  const words = words16(bytes);
  const pairs = words16(codes);
  for (let block = 0, at = 0, out = 0; at < words.length; block++, at += 55, out += 128) {
    const d = half[words[at + 54]!]!;
    for (let g = 0; g < 16; g++) scale[16 * block + g] = d * (scaleQ3(bytes, 2 * at + 96, g) - 32);
    for (let j = 0; j < 128; j++) {
      const low = words[at + 16 + 16 * (j >> 6) + (j & 15)]! >>> (2 * ((j >> 4) & 3));
      const high = words[at + (j & 15)]! >>> (j >> 4);
      pairs[out + j] = (low & 0x0303) | ((high & 0x0101) << 2);
    }
  }
}

/**
 * Q3_K with its integer scales multiplied into the codes: scale · code is −124 to 128, which 8 bits hold exactly. Only
 * the half-precision scale remains, and groups can have 32 weights. Not for dequantising: a negative scale times 0 must
 * be −0.
 */
export const Q3_K_PRODUCTS: BlockForm = { group: 32, bits: 8, zero: 124, hasMin: false, unpack: unpackQ3Products };

function unpackQ3Products(bytes: Uint8Array, { codes, scale, min }: Groups): void {
  const half = halfFloats();
  unpackQ3(bytes, { codes, min, scale: new Float32Array(codes.length / 16) });
  for (let i = 0, at = 0; i < codes.length; at += 110) {
    scale.fill(half[bytes[at + 108]! | (bytes[at + 109]! << 8)]!, i / 32, i / 32 + 8);
    for (let g = 0; g < 16; g++) {
      const factor = scaleQ3(bytes, at + 96, g) - 32;
      for (const end = i + 16; i < end; i++) codes[i] = factor * (codes[i]! - 4) + 124;
    }
  }
}

/** Low nibbles of 8 bytes, then their high nibbles; two more bits of each come from the 4 bytes that follow. */
function scaleQ3(bytes: Uint8Array, at: number, group: number): number {
  const low = bytes[at + (group & 7)]! >> (group < 8 ? 0 : 4);
  const high = bytes[at + 8 + (group & 3)]! >> (2 * (group >> 2));
  return (low & 15) | ((high & 3) << 4);
}

/**
 * Block: 2 float16s, 12 bytes of 6-bit scales and minima, 32 bytes of fifth bits (Q5_K only), 128 bytes of nibbles: 32
 * low ones, then 32 high ones.
 */
function unpackQ4Q5(bytes: Uint8Array, { codes, scale, min }: Groups, bits: 4 | 5): void {
  const half = halfFloats();
  const words = words32(bytes);
  const fours = words32(codes);
  const first = bits === 5 ? 12 : 4;
  for (let block = 0, at = 0, out = 0; at < words.length; block++, at += first + 32, out += 64) {
    const d = half[words[at]! & 0xffff]!;
    const dmin = half[words[at]! >>> 16]!;
    for (let g = 0; g < 8; g++) {
      scale[8 * block + g] = d * scaleQ4(bytes, 4 * at + 4, g);
      min[8 * block + g] = -(dmin * minQ4(bytes, 4 * at + 4, g));
    }
    for (let j = 0; j < 64; j++) {
      const nibble = (words[at + first + 8 * (j >> 4) + (j & 7)]! >>> ((j & 8) >> 1)) & 0x0f0f0f0f;
      const fifth = bits === 5 ? (words[at + 4 + (j & 7)]! >>> (j >> 3)) & 0x01010101 : 0;
      fours[out + j] = nibble | (fifth << 4);
    }
  }
}

/** The first four groups use 6 bits of a byte each; the others use a nibble, and the two spare bits of such a byte. */
function scaleQ4(bytes: Uint8Array, at: number, group: number): number {
  const byte = bytes[at + group]!;
  if (group < 4) return byte & 63;
  return (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

function minQ4(bytes: Uint8Array, at: number, group: number): number {
  const byte = bytes[at + group + 4]!;
  if (group < 4) return byte & 63;
  return (byte >> 4) | ((bytes[at + group]! >> 6) << 4);
}

/**
 * Block: 128 bytes of nibbles (64 low ones, 64 high ones), 64 bytes of the upper two bits as in Q2_K, 16 signed scales,
 * a float16.
 */
function unpackQ6(bytes: Uint8Array, { codes, scale }: Groups): void {
  const half = halfFloats();
  const words = words16(bytes);
  const pairs = words16(codes);
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let block = 0, at = 0, out = 0; at < words.length; block++, at += 105, out += 128) {
    const d = half[words[at + 104]!]!;
    for (let g = 0; g < 16; g++) scale[16 * block + g] = d * signed[2 * at + 192 + g]!;
    for (let j = 0; j < 128; j++) {
      const nibble = words[at + 32 * (j >> 6) + (j & 31)]! >>> ((j & 32) >> 3);
      const upper = words[at + 64 + 16 * (j >> 6) + (j & 15)]! >>> (2 * ((j >> 4) & 3));
      pairs[out + j] = (nibble & 0x0f0f) | ((upper & 0x0303) << 4);
    }
  }
}
