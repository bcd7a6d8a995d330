import { fromMinimum, type KernelMatrix } from "../prepared/layout.ts";
import { emptyGroups, productForm } from "./blocks/index.ts";
import { checkBytes } from "./dequantize.ts";
import type { GgmlType } from "./types.ts";

/** The exact form in which the 8-bit kernel runs a storage type. */
export interface KernelForm {
  /** Columns that share a scale; the kernel takes about a quarter longer over blocks of 16. */
  readonly block: 16 | 32;
  /** Whether a thin product in float32 is needed beside the 8-bit one. */
  readonly residual: boolean;
}

/** Undefined for types without one (floats, types that are not read): those run as float32. */
export function kernelForm(type: GgmlType): KernelForm | undefined {
  const form = productForm(type);
  return form && { block: form.group, residual: form.hasMin };
}

/**
 * A matrix [rows, cols] in the kernel's form; its weights are those of `dequantize` within 1e-6 of the largest.
 * Throws a `RangeError` when `bytes` are not those of rows × cols weights, or `type` has no such form.
 */
export function toKernelMatrix(type: GgmlType, bytes: Uint8Array, rows: number, cols: number): KernelMatrix {
  const form = productForm(type);
  if (form === undefined) throw new RangeError(`${type} has no form in blocks`);
  const { group: block, bits, zero, hasMin } = form;
  if (cols % block !== 0) throw new RangeError(`${type} rows have a multiple of ${block} weights, got ${cols}`);
  checkBytes(type, bytes, rows * cols);
  const groups = emptyGroups(form, rows * cols);
  form.unpack(bytes, groups);
  const { codes, scale, min } = groups;
  if (hasMin) return fromMinimum({ rows, block, codes, scale, min, bits });
  return { rows, block, codes, scale, zero: new Uint8Array(scale.length).fill(zero) };
}
