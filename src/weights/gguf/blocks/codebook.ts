import { halfFloats } from "../half.ts";
import { type BlockForm, type Groups, words16 } from "./form.ts";

/** `kvalues_iq4nl` of ggml-common.h: 16 levels, closer together near 0. */
const IQ4 = levels([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]);
/** Twice the values of a 4-bit float, E2M1 (OCP Microscaling Formats 1.0); −0 is 0. */
const E2M1 = levels([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]);

/** Levels are doubled, so the scale is half of the byte's power of two. */
const HALF_E8M0 = Float32Array.from({ length: 256 }, (_, exponent) => 2 ** (exponent - 127 - 1));

/** Types whose 4-bit codes index a table of small integers; the kernel's code is the integer + 128. */
export const codebookForms = {
  IQ4_NL: { group: 32, bits: 8, zero: 128, hasMin: false, unpack: unpackIq4Nl },
  IQ4_XS: { group: 32, bits: 8, zero: 128, hasMin: false, unpack: unpackIq4Xs },
  MXFP4: { group: 32, bits: 8, zero: 128, hasMin: false, unpack: unpackMxfp4 },
} satisfies Record<string, BlockForm>;

function levels(values: readonly number[]): Uint8Array {
  return Uint8Array.from(values, (value) => value + 128);
}

/** Unpacks 16 bytes at `at`: low nibbles are weights 0–15, high nibbles 16–31. */
function lookUp(table: Uint8Array, bytes: Uint8Array, at: number, codes: Uint8Array, out: number): void {
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + j]!;
    codes[out + j] = table[pair & 15]!;
    codes[out + j + 16] = table[pair >> 4]!;
  }
}

/** Block: a float16, 16 bytes of codes. */
function unpackIq4Nl(bytes: Uint8Array, { codes, scale }: Groups): void {
  const half = halfFloats();
  for (let block = 0, at = 0; at < bytes.length; block++, at += 18) {
    scale[block] = half[bytes[at]! | (bytes[at + 1]! << 8)]!;
    lookUp(IQ4, bytes, at + 2, codes, 32 * block);
  }
}

/** Block of 256: a float16, 8 × 2 high and 8 × 4 low bits of scales (offset 32), 8 × 16 bytes of codes. */
function unpackIq4Xs(bytes: Uint8Array, { codes, scale }: Groups): void {
  const half = halfFloats();
  const words = words16(bytes);
  for (let group = 0, at = 0; at < bytes.length; at += 136) {
    const d = half[words[at / 2]!]!;
    const high = words[at / 2 + 1]!;
    for (let g = 0; g < 8; g++, group++) {
      const low = (bytes[at + 4 + (g >> 1)]! >> (4 * (g & 1))) & 15;
      scale[group] = d * ((low | (((high >> (2 * g)) & 3) << 4)) - 32);
      lookUp(IQ4, bytes, at + 8 + 16 * g, codes, 32 * group);
    }
  }
}

/** Block: an exponent with bias 127, 16 bytes of codes. */
function unpackMxfp4(bytes: Uint8Array, { codes, scale }: Groups): void {
  for (let block = 0, at = 0; at < bytes.length; block++, at += 17) {
    scale[block] = HALF_E8M0[bytes[at]!]!;
    lookUp(E2M1, bytes, at + 1, codes, 32 * block);
  }
}
