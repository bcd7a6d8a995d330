import { closeSync, openSync, readSync } from "node:fs";
import type { QuantizedMatrix, Tensor } from "../../graph/index.ts";
import type { Span, StoredMatrix } from "./store-index.ts";

/** Adds a part of a matrix to a graph as a constant in memory. */
export type AddConstant = (
  part: string,
  dtype: "u8" | "f32",
  shape: number[],
  bytes: Uint8Array<ArrayBuffer>,
) => Tensor;

/** Rows of a matrix that lies in a prepared file, by their numbers. */
export function someRowsOf(
  file: string,
  { rows, bits, codes, scale, zero, residual }: StoredMatrix,
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
      bits,
      codes: constant("codes", "u8", [count, blocks, width / blocks], taken(codes)),
      scale: constant("scale", "f32", [count, blocks], taken(scale)),
      zero: constant("zero", "u8", [count, zero.bytes / rows], taken(zero)),
      residual: residual && constant("residual", "f32", [blocks, count], columnsIn(fd, residual, rows, wanted)),
    };
  } finally {
    closeSync(fd);
  }
}

/** Rows of a float32 matrix with `width` columns, by their numbers. */
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

/** Float32 columns of a part that lies column by column: [blocks, rows]. */
function columnsIn(
  fd: number,
  { offset, bytes }: Span,
  rows: number,
  wanted: readonly number[],
): Uint8Array<ArrayBuffer> {
  const all = new Float32Array(bytes / Float32Array.BYTES_PER_ELEMENT);
  readSync(fd, new Uint8Array(all.buffer), 0, bytes, offset);
  const blocks = all.length / rows;
  const taken = new Float32Array(blocks * wanted.length);
  for (let block = 0; block < blocks; block++)
    for (const [i, row] of wanted.entries()) taken[block * wanted.length + i] = all[block * rows + row]!;
  return new Uint8Array(taken.buffer);
}
