import { halfFloats } from "../half.ts";
import { type BlockForm, type Groups, words16 } from "./form.ts";

/**
 * The types of ggml whose block is one group of 32 weights with a half-precision scale (`block_q4_0` … `block_q8_0` of
 * ggml-common.h).
 */
export const plainForms = {
  Q4_0: nibbles(4, false),
  Q4_1: nibbles(4, true),
  Q5_0: nibbles(5, false),
  Q5_1: nibbles(5, true),
  Q8_0: { group: 32, bits: 8, zero: 128, hasMin: false, unpack: unpackQ8_0 },
} satisfies Record<string, BlockForm>;

/**
 * A block: scale, optional minimum, a word of 32 highest bits (5-bit types only), then 16 bytes whose low nibbles are
 * weights 0–15 and high nibbles 16–31.
 */
function nibbles(bits: 4 | 5, hasMin: boolean): BlockForm {
  const fields = hasMin ? 2 : 1;
  const first = bits === 5 ? fields + 2 : fields;
  const unpack = (bytes: Uint8Array, { codes, scale, min }: Groups): void => {
    const half = halfFloats();
    const words = words16(bytes);
    const pairs = words16(codes);
    for (let block = 0, at = 0, out = 0; at < words.length; block++, at += first + 8, out += 16) {
      scale[block] = half[words[at]!]!;
      if (hasMin) min[block] = half[words[at + 1]!]!;
      const high = bits === 5 ? words[at + fields]! | (words[at + fields + 1]! << 16) : 0;
      for (let j = 0; j < 8; j++) {
        const four = words[at + first + j]!;
        pairs[out + j] = (four & 0x0f0f) | fifthBits(high >>> (2 * j));
        pairs[out + j + 8] = ((four >>> 4) & 0x0f0f) | fifthBits(high >>> (2 * j + 16));
      }
    }
  };
  return { group: 32, bits, zero: hasMin ? 0 : 2 ** (bits - 1), hasMin, unpack };
}

/** The two lowest bits, moved to the fifth bit of each of two bytes. */
function fifthBits(bits: number): number {
  return ((bits & 1) << 4) | ((bits & 2) << 11);
}

/** Block: scale, 32 signed bytes. */
function unpackQ8_0(bytes: Uint8Array, { codes, scale }: Groups): void {
  const half = halfFloats();
  const words = words16(bytes);
  const pairs = words16(codes);
  for (let block = 0, at = 0, out = 0; at < words.length; block++, at += 17, out += 16) {
    scale[block] = half[words[at]!]!;
    // Adding 128 to a two's-complement byte flips its highest bit.
    for (let j = 0; j < 16; j++) pairs[out + j] = words[at + 1 + j]! ^ 0x8080;
  }
}
