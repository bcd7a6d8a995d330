import { type Block, bytesOfCodes, type CodeBits } from "../../graph/index.ts";

/**
 * A matrix [rows, cols] as the kernels want it: w = scale · (code − zero) + residual over blocks of `block` columns.
 * `residual` is stored transposed [cols/block, rows], as the right operand of a product with block sums.
 */
export interface KernelMatrix {
  rows: number;
  block: Block;
  /** Bits of a code and of a zero point: two of 4 bits share a byte, the first in its low half. */
  bits: CodeBits;
  /** [rows × cols·bits/8] */
  codes: Uint8Array<ArrayBuffer>;
  /** [rows × cols/block] */
  scale: Float32Array<ArrayBuffer>;
  /** [rows × ⌈cols/block·bits/8⌉] */
  zero: Uint8Array<ArrayBuffer>;
  residual?: Float32Array<ArrayBuffer>;
}

/** A matrix with a byte for every code and zero point, all below 2^bits, as one of that many bits; its arrays are taken over. */
export function packed(bits: CodeBits, matrix: Omit<KernelMatrix, "bits">): KernelMatrix {
  if (bits === 8) return { ...matrix, bits };
  const { rows, codes, zero } = matrix;
  return { ...matrix, bits, codes: inPairs(codes, codes.length / rows), zero: inPairs(zero, zero.length / rows) };
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

/** A matrix of w = scale · code + min, codes a byte each and below 2^codeBits; `min` is one number a block. */
export interface MinimumMatrix extends Omit<KernelMatrix, "bits" | "zero" | "residual"> {
  codeBits: number;
  min: Float32Array<ArrayBuffer>;
}

/**
 * Exact within float32: the kernels have only whole zero points, so codes are spread over all of their `bits`, `min`
 * becomes the nearest zero point, and the rest is the residual. Takes ownership of `codes` and `scale`.
 */
export function fromMinimum(bits: CodeBits, matrix: MinimumMatrix): KernelMatrix {
  const { rows, block, codes, scale, min, codeBits } = matrix;
  spread(codes, bits - codeBits);
  const columns = scale.length / rows;
  const zero = new Uint8Array(scale.length);
  const residual = new Float32Array(scale.length);
  for (let row = 0, at = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, at++) {
      const step = scale[at]! / 2 ** (bits - codeBits);
      const nearest = step === 0 ? 0 : Math.min(2 ** bits - 1, Math.max(0, Math.round(-min[at]! / step)));
      scale[at] = step;
      zero[at] = nearest;
      residual[column * rows + row] = min[at]! + step * nearest;
    }
  return packed(bits, { rows, block, codes, scale, zero, residual });
}

/** Multiplies codes by 2^by, four at a time; none overflows into its neighbour. */
function spread(codes: Uint8Array, by: number): void {
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4);
  for (let i = 0; i < words.length; i++) words[i]! <<= by;
}

/**
 * Stacks matrices with the same columns and bits. Blocks become as small as the smallest among them, and a missing
 * residual counts as zero if another has one. Throws a `RangeError` if bits differ.
 */
export function stack(matrices: readonly KernelMatrix[]): KernelMatrix {
  if (matrices.length === 1) return matrices[0]!;
  const { bits } = matrices[0]!;
  if (matrices.some((m) => m.bits !== bits)) throw new RangeError("matrices of 4 and of 8 bits do not stack");
  const block = matrices.some((m) => m.block === 16) ? 16 : 32;
  const parts = matrices.map((m) => (m.block === block ? m : halved(m)));
  const stacked: KernelMatrix = {
    rows: parts.reduce((sum, p) => sum + p.rows, 0),
    ...{ block, bits },
    codes: joinBytes(parts.map((p) => p.codes)),
    scale: joinFloats(parts.map((p) => p.scale)),
    zero: joinBytes(parts.map((p) => p.zero)),
  };
  if (parts.some((p) => p.residual)) stacked.residual = sideBySide(parts);
  return stacked;
}

/** The same 8-bit matrix in blocks of 16 instead of 32. */
function halved({ rows, codes, scale, zero, residual }: KernelMatrix): KernelMatrix {
  const half: KernelMatrix = {
    rows,
    ...{ block: 16, bits: 8 },
    codes,
    scale: Float32Array.from({ length: 2 * scale.length }, (_, i) => scale[i >> 1]!),
    zero: Uint8Array.from({ length: 2 * zero.length }, (_, i) => zero[i >> 1]!),
  };
  if (residual) half.residual = twice(residual, rows);
  return half;
}

/** Repeats each row of `width` values. */
function twice(values: Float32Array, width: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(2 * values.length);
  for (let at = 0; at < values.length; at += width) {
    const row = values.subarray(at, at + width);
    out.set(row, 2 * at);
    out.set(row, 2 * at + width);
  }
  return out;
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

function joinFloats(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const bytes = joinBytes(parts.map((p) => new Uint8Array(p.buffer, p.byteOffset, p.byteLength)));
  return new Float32Array(bytes.buffer);
}

/** Residuals are transposed, so stacking rows means setting their columns side by side. */
function sideBySide(parts: readonly KernelMatrix[]): Float32Array<ArrayBuffer> {
  const blocks = parts[0]!.scale.length / parts[0]!.rows;
  const widths = parts.map((p) => p.rows);
  const width = widths.reduce((a, b) => a + b, 0);
  const joined = new Float32Array(blocks * width);
  let left = 0;
  for (const [i, { residual }] of parts.entries()) {
    if (residual)
      for (let b = 0; b < blocks; b++)
        joined.set(residual.subarray(b * widths[i]!, (b + 1) * widths[i]!), b * width + left);
    left += widths[i]!;
  }
  return joined;
}
