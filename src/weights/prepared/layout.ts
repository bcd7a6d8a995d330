import type { Block } from "../../graph/index.ts";

/**
 * A matrix [rows, cols] as the 8-bit kernel wants it: w = scale · (code − zero) + residual over blocks of `block` columns.
 * `residual` is stored transposed [cols/block, rows], as the right operand of a product with block sums.
 */
export interface KernelMatrix {
  rows: number;
  block: Block;
  /** [rows × cols] */
  codes: Uint8Array<ArrayBuffer>;
  /** [rows × cols/block] */
  scale: Float32Array<ArrayBuffer>;
  /** As `scale`. */
  zero: Uint8Array<ArrayBuffer>;
  residual?: Float32Array<ArrayBuffer>;
}

/** A matrix of w = scale · code + min, codes below 2^bits; `min` is one number a block. */
export interface MinimumMatrix extends Omit<KernelMatrix, "zero" | "residual"> {
  bits: number;
  min: Float32Array<ArrayBuffer>;
}

/**
 * Exactly, as far as float32 goes: the kernel has whole zero points only, so codes are spread over all 8 bits, `min` becomes the
 * nearest zero point, and what that leaves is the residual. Takes `codes` and `scale` over.
 */
export function fromMinimum({ rows, block, codes, scale, min, bits }: MinimumMatrix): KernelMatrix {
  spread(codes, 8 - bits);
  const columns = scale.length / rows;
  const zero = new Uint8Array(scale.length);
  const residual = new Float32Array(scale.length);
  for (let row = 0, at = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, at++) {
      const step = scale[at]! / 2 ** (8 - bits);
      const nearest = step === 0 ? 0 : Math.min(255, Math.max(0, Math.round(-min[at]! / step)));
      scale[at] = step;
      zero[at] = nearest;
      residual[column * rows + row] = min[at]! + step * nearest;
    }
  return { rows, block, codes, scale, zero, residual };
}

/** Codes times 2^by, four at a time; none grows into its neighbour. */
function spread(codes: Uint8Array, by: number): void {
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4);
  for (let i = 0; i < words.length; i++) words[i]! <<= by;
}

/**
 * Rows of several matrices with the same columns, one under the other. Blocks are then as small as the smallest among them, and a
 * missing residual counts as zero when another has one.
 */
export function stack(matrices: readonly KernelMatrix[]): KernelMatrix {
  if (matrices.length === 1) return matrices[0]!;
  const block = matrices.some((m) => m.block === 16) ? 16 : 32;
  const parts = matrices.map((m) => (m.block === block ? m : halved(m)));
  const stacked: KernelMatrix = {
    rows: parts.reduce((sum, p) => sum + p.rows, 0),
    block,
    codes: joinBytes(parts.map((p) => p.codes)),
    scale: joinFloats(parts.map((p) => p.scale)),
    zero: joinBytes(parts.map((p) => p.zero)),
  };
  if (parts.some((p) => p.residual)) stacked.residual = sideBySide(parts);
  return stacked;
}

/** The same matrix in blocks of 16 instead of 32. */
function halved({ rows, codes, scale, zero, residual }: KernelMatrix): KernelMatrix {
  const half: KernelMatrix = {
    rows,
    block: 16,
    codes,
    scale: Float32Array.from({ length: 2 * scale.length }, (_, i) => scale[i >> 1]!),
    zero: Uint8Array.from({ length: 2 * zero.length }, (_, i) => zero[i >> 1]!),
  };
  if (residual) half.residual = twice(residual, rows);
  return half;
}

/** Each row of `width` two times. */
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
