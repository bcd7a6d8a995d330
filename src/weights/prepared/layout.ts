import type { UnpackedQ4_1, UnpackedQ8_0 } from "../gguf/index.ts";

/**
 * A matrix [rows, cols] as the 8-bit kernel wants it: w = scale · (code − zero) + residual over blocks of 32 columns.
 * `residual` is stored transposed [cols/32, rows], as the right operand of a product with block sums.
 */
export interface KernelMatrix {
  rows: number;
  codes: Uint8Array<ArrayBuffer>;
  scale: Float32Array<ArrayBuffer>;
  zero: Uint8Array<ArrayBuffer>;
  residual?: Float32Array<ArrayBuffer>;
}

const LEVELS = 16;

/** Spread 4-bit codes over 8 bits (16·q): a kernel twice as wide that prefills faster, and as exact thanks to the residual. */
export function fromQ4_1({ codes, scale, min }: UnpackedQ4_1, rows: number): KernelMatrix {
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4);
  for (let i = 0; i < words.length; i++) words[i]! <<= 4;
  const columns = scale.length / rows;
  const zero = new Uint8Array(scale.length);
  const residual = new Float32Array(scale.length);
  for (let row = 0, block = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, block++) {
      const step = scale[block]! / LEVELS;
      const nearest = step === 0 ? 0 : Math.min(255, Math.max(0, Math.round(-min[block]! / step)));
      scale[block] = step;
      zero[block] = nearest;
      residual[column * rows + row] = min[block]! + step * nearest;
    }
  return { rows, codes, scale, zero, residual };
}

export function fromQ8_0({ codes, scale }: UnpackedQ8_0, rows: number): KernelMatrix {
  const words = new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4);
  // Adding 128 to a two's-complement byte flips its highest bit.
  for (let i = 0; i < words.length; i++) words[i]! ^= 0x80808080;
  return {
    rows,
    codes: new Uint8Array(codes.buffer, codes.byteOffset, codes.length),
    scale,
    zero: new Uint8Array(scale.length).fill(128),
  };
}

/** Rows of several matrices with the same columns, one under the other; a missing residual counts as zero when another has one. */
export function stack(parts: readonly KernelMatrix[]): KernelMatrix {
  if (parts.length === 1) return parts[0]!;
  const stacked: KernelMatrix = {
    rows: parts.reduce((sum, p) => sum + p.rows, 0),
    codes: joinBytes(parts.map((p) => p.codes)),
    scale: joinFloats(parts.map((p) => p.scale)),
    zero: joinBytes(parts.map((p) => p.zero)),
  };
  if (parts.some((p) => p.residual)) stacked.residual = sideBySide(parts);
  return stacked;
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
