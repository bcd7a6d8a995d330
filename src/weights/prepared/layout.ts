import {
  type Block,
  bytesOfCodes,
  CORRECTED_BLOCK,
  type CodeBits,
  DIGITS,
  SHARING,
  storedBlocks,
} from "../../graph/index.ts";

/** A matrix [rows, cols] in the kernels' form: w = scale · (code − zero) over blocks of `block` columns, corrected as in `QuantizedMatrix`. */
export interface KernelMatrix {
  rows: number;
  block: Block;
  /** The number of bits per code and per zero point; two 4-bit values share a byte, the first in its low half. */
  bits: CodeBits;
  corrected: boolean;
  /** [rows × columns·bits/8]; the codes of a correction follow the other codes of its row. */
  codes: Uint8Array<ArrayBuffer>;
  /** [rows × blocks] */
  scale: Float32Array<ArrayBuffer>;
  /** [rows × ⌈blocks·bits/8⌉] */
  zero: Uint8Array<ArrayBuffer>;
}

/**
 * Packs a matrix with one byte per code and zero point, all below 2^bits, so that each takes `bits` bits. Takes
 * ownership of its arrays.
 */
export function packed(bits: CodeBits, matrix: Omit<KernelMatrix, "bits" | "corrected">): KernelMatrix {
  const { rows, codes, zero } = matrix;
  if (bits === 8) return { ...matrix, bits, corrected: false };
  const pairs = { codes: inPairs(codes, codes.length / rows), zero: inPairs(zero, zero.length / rows) };
  return { ...matrix, ...pairs, bits, corrected: false };
}

/** Packs two values below 16 into a byte, the first in the low half; each `width` values start a new byte. */
function inPairs(values: Uint8Array, width: number): Uint8Array<ArrayBuffer> {
  const bytes = bytesOfCodes(width, 4);
  const out = new Uint8Array((values.length / width) * bytes);
  for (let from = 0, to = 0; from < values.length; from += width, to += bytes) {
    for (let i = 0; i < width; i += 2) out[to + i / 2] = values[from + i]!;
    for (let i = 1; i < width; i += 2) out[to + (i - 1) / 2]! |= values[from + i]! << 4;
  }
  return out;
}

/** Selects every `of`-th row, starting at row `at`. */
export function everyRow(matrix: KernelMatrix, { at, of }: { readonly at: number; readonly of: number }): KernelMatrix {
  const rows = matrix.rows / of;
  const pick = <T extends Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(all: T): T => {
    const width = all.length / matrix.rows;
    const out = all.slice(0, rows * width) as T;
    for (let row = 0; row < rows; row++) {
      const from = (row * of + at) * width;
      out.set(all.subarray(from, from + width), row * width);
    }
    return out;
  };
  return { ...matrix, rows, codes: pick(matrix.codes), scale: pick(matrix.scale), zero: pick(matrix.zero) };
}

/** A matrix with w = scale · code + min: codes of a byte each, below 2^codeBits, and one `min` per block. */
export interface MinimumMatrix extends Pick<KernelMatrix, "rows" | "codes" | "scale"> {
  codeBits: number;
  min: Float32Array<ArrayBuffer>;
}

/**
 * Converts minima to integer zero points, which the kernels require. 4-bit codes are unchanged, and a correction stores
 * the distance from the nearest zero point; 8-bit codes leave room for a factor that makes the minimum nearly an
 * integer number of steps. Takes ownership of `codes` and `scale`.
 */
export const fromMinimum = (bits: CodeBits, matrix: MinimumMatrix): KernelMatrix =>
  bits === 8 ? inWholeSteps(matrix) : withDigits(matrix);

/** The error is at most 1/248 of the block's largest weight; its relative RMS in ggml files is 0.2 % (docs/log.md). */
function inWholeSteps({ rows, codes, scale, min, codeBits }: MinimumMatrix): KernelMatrix {
  const most = 2 ** codeBits - 1;
  const zero = new Uint8Array(scale.length);
  // Four codes are changed at a time; none overflows into the next.
  const fours = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4);
  const perBlock = CORRECTED_BLOCK / 4;
  for (let at = 0; at < scale.length; at++) {
    const step = scale[at]!;
    const minimum = min[at]! / step;
    const factor = nearestFactor(minimum, most);
    if (factor === 0) {
      scale[at] = respread(codes.subarray(at * CORRECTED_BLOCK, (at + 1) * CORRECTED_BLOCK), step, min[at]!, most);
      continue;
    }
    const steps = Math.round(minimum * factor);
    scale[at] = step / factor;
    zero[at] = Math.max(0, -steps);
    const raise = 0x01010101 * Math.max(0, steps);
    for (let i = at * perBlock; i < (at + 1) * perBlock; i++) fours[i] = Math.imul(fours[i]!, factor) + raise;
  }
  return packed(8, { rows, block: CORRECTED_BLOCK, codes, scale, zero });
}

/** The factor that brings `minimum` (in steps) closest to an integer, with codes up to `most`; 0 if none fits. */
function nearestFactor(minimum: number, most: number): number {
  const largest = Math.floor(255 / Math.max(most, -minimum, most + minimum));
  let [best, off] = [0, Number.POSITIVE_INFINITY];
  // A factor up to half the maximum is no better than twice that factor.
  for (let factor = largest; factor > largest / 2; factor--) {
    const own = Math.abs(minimum - Math.round(minimum * factor) / factor);
    if (own < off) [best, off] = [factor, own];
  }
  return best;
}

/** Spreads nearly equal weights of one sign over the codes from zero on; returns the step. */
function respread(codes: Uint8Array, step: number, min: number, most: number): number {
  const furthest = Math.abs(min + step * most) > Math.abs(min) ? min + step * most : min;
  const wide = furthest / 255;
  for (const [i, code] of codes.entries()) codes[i] = wide === 0 ? 0 : Math.round((min + step * code) / wide);
  return wide;
}

/** The number of steps of a correction digit on each side of its zero point. */
const HALF = 8;
/** The largest value, in units of the first digit, that two digits can represent. */
const LARGEST = (HALF - 1) * (1 + 1 / DIGITS);

/** Corrects minima with digits: the error is at most 1/238 of the largest correction among blocks that share digits. */
function withDigits({ rows, codes, scale, min, codeBits }: MinimumMatrix): KernelMatrix {
  const most = 2 ** codeBits - 1;
  const blocks = scale.length / rows;
  const zero = new Uint8Array(scale.length);
  const lacking = new Float32Array(scale.length);
  for (let at = 0; at < scale.length; at++) {
    const step = scale[at]!;
    zero[at] = step === 0 ? 0 : Math.min(most, Math.max(0, Math.round(-min[at]! / step)));
    lacking[at] = min[at]! + step * zero[at]!;
  }
  const matrix = withRoom(packed(4, { rows, block: CORRECTED_BLOCK, codes, scale, zero }));
  const [bytes, stored] = [matrix.codes.length / rows, matrix.scale.length / rows];
  for (let row = 0; row < rows; row++)
    for (let first = 0, to = blocks; first < blocks; first += SHARING, to++) {
      const shared = lacking.subarray(row * blocks + first, row * blocks + Math.min(blocks, first + SHARING));
      const unit = shared.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / LARGEST;
      matrix.scale[row * stored + to] = unit;
      // Two digits are two 4-bit codes, in one byte.
      const digits = matrix.codes.subarray(row * bytes + (to * CORRECTED_BLOCK) / 2);
      for (const [i, value] of shared.entries()) digits[i] = inDigits(unit === 0 ? 0 : value / unit);
    }
  return matrix;
}

/** Encodes a number of units as two digits, the first in the low half of a byte. */
function inDigits(units: number): number {
  // The second digit reaches one step less above zero than below.
  const first = Math.round(units + 0.5 / DIGITS);
  const second = Math.round((units - first) * DIGITS);
  return first + HALF + ((second + HALF) << 4);
}

/** Adds a correction of zero to a 4-bit matrix. */
function withRoom(matrix: KernelMatrix): KernelMatrix {
  const { rows, block, codes, scale, zero } = matrix;
  const blocks = scale.length / rows;
  const stored = storedBlocks(blocks);
  const middle = 0x11 * HALF;
  const zeros = widened(zero, new Uint8Array(rows * bytesOfCodes(stored, 4)).fill(middle), rows);
  // An odd number of blocks leaves half a byte.
  if (blocks % 2 === 1)
    for (let at = (blocks - 1) / 2; at < zeros.length; at += zeros.length / rows) zeros[at]! |= HALF << 4;
  return {
    ...{ ...matrix, corrected: true },
    codes: widened(codes, new Uint8Array(rows * bytesOfCodes(stored * block, 4)).fill(middle), rows),
    scale: widened(scale, new Float32Array(rows * stored), rows),
    zero: zeros,
  };
}

/** Copies each row to the start of a longer row. */
function widened<T extends Uint8Array | Float32Array>(values: T, longer: T, rows: number): T {
  const [own, width] = [values.length / rows, longer.length / rows];
  for (let row = 0; row < rows; row++) longer.set(values.subarray(row * own, (row + 1) * own), row * width);
  return longer;
}

/** Stacks matrices, corrected if one of them is. @throws RangeError unless columns, bits and blocks are equal */
export function stack(matrices: readonly KernelMatrix[]): KernelMatrix {
  if (matrices.length === 1) return matrices[0]!;
  const { bits, block } = matrices[0]!;
  if (matrices.some((m) => m.bits !== bits)) throw new RangeError("matrices of 4 and 8 bits cannot be stacked");
  if (matrices.some((m) => m.block !== block))
    throw new RangeError("matrices with different block sizes cannot be stacked");
  const corrected = matrices.some((m) => m.corrected);
  const parts = matrices.map((m) => (corrected && !m.corrected ? withRoom(m) : m));
  return {
    rows: parts.reduce((sum, p) => sum + p.rows, 0),
    ...{ block, bits, corrected },
    codes: joinBytes(parts.map((p) => p.codes)),
    scale: joinFloats(parts.map((p) => p.scale)),
    zero: joinBytes(parts.map((p) => p.zero)),
  };
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

function joinFloats(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const bytes = joinBytes(parts.map((p) => new Uint8Array(p.buffer, p.byteOffset, p.byteLength)));
  return new Float32Array(bytes.buffer);
}
