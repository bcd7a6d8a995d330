import { closeSync, openSync, readSync } from "node:fs";
import type { QuantizedMatrix, Tensor } from "../../graph/index.ts";
import type { Span, StoredMatrix } from "./store-index.ts";

/** Adds part of a matrix to a graph as a constant in memory. */
export type AddConstant = (
  part: string,
  dtype: "u8" | "f32",
  shape: number[],
  bytes: Uint8Array<ArrayBuffer>,
) => Tensor;

/** Reads rows of a matrix in a prepared file, by index. */
export function someRowsOf(
  file: string,
  { rows, bits, corrected, codes, scale, zero }: StoredMatrix,
  wanted: readonly number[],
  constant: AddConstant,
): QuantizedMatrix {
  const count = wanted.length;
  const blocks = scale.bytes / Float32Array.BYTES_PER_ELEMENT / rows;
  const width = codes.bytes / rows;
  const fd = openSync(file, "r");
  try {
    const taken = (span: Span) => rowsIn(fd, span, rows, wanted);
    return {
      ...{ bits, corrected },
      codes: constant("codes", "u8", [count, blocks, width / blocks], taken(codes)),
      scale: constant("scale", "f32", [count, blocks], taken(scale)),
      zero: constant("zero", "u8", [count, zero.bytes / rows], taken(zero)),
    };
  } finally {
    closeSync(fd);
  }
}

/** Selects rows of a float32 matrix with `width` columns, by index. */
export function someFloats(values: Float32Array, width: number, wanted: readonly number[]): Float32Array<ArrayBuffer> {
  const taken = new Float32Array(wanted.length * width);
  for (const [i, row] of wanted.entries()) taken.set(values.subarray(row * width, (row + 1) * width), i * width);
  return taken;
}

function rowsIn(fd: number, { offset, bytes }: Span, rows: number, wanted: readonly number[]): Uint8Array<ArrayBuffer> {
  const width = bytes / rows;
  const taken = new Uint8Array(wanted.length * width);
  for (const [i, row] of wanted.entries()) readSync(fd, taken, i * width, width, offset + row * width);
  return taken;
}
