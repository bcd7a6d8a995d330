import type { Block, CodeBits } from "../../graph/index.ts";
import { fromMinimum, type KernelMatrix, packed } from "../prepared/layout.ts";
import { type BlockForm, emptyGroups, productForm } from "./blocks/index.ts";
import { checkBytes } from "./dequantize.ts";
import type { GgmlType } from "./types.ts";

/** The form in which kernels use a storage type. */
export interface KernelForm {
  /** The smallest number of bits that the kernels support and that hold the type's codes exactly. */
  readonly bits: CodeBits;
  /** The number of columns that share a scale. */
  readonly block: Block;
  /** True if blocks have a minimum, rounded to two digits for 4-bit codes and to integer steps for 8-bit codes. */
  readonly minimum: boolean;
  /** The number of bits that weights are rounded to if the type has no exact kernel form; else absent. */
  readonly rounded?: CodeBits;
}

/** The form for types with a scale per 16 weights, rounded because blocks of 16 are a sixth slower (docs/log.md). */
const ROUNDED: KernelForm = { bits: 8, block: 32, minimum: false, rounded: 8 };

/** The kernel's form; undefined for types without one (floats, unsupported types), which run as float32. */
export function kernelForm(type: GgmlType): KernelForm | undefined {
  const form = productForm(type);
  if (form?.group === 16) return ROUNDED;
  return form && { bits: fewestBits(form), block: form.group, minimum: form.hasMin };
}

/** True if codes fit in 4 bits: only for types with exactly 4 bits, in blocks of 32. */
const fewestBits = ({ bits }: BlockForm): CodeBits => (bits === 4 ? 4 : 8);

/**
 * Converts a matrix [rows, cols] to the kernel's form with `bits` bits; its weights equal `dequantize`'s, except for a
 * rounded minimum.
 * @throws RangeError if `bytes` has the wrong length for rows × cols weights, or `type` does not support this form
 */
export function toKernelMatrix(
  type: GgmlType,
  bytes: Uint8Array,
  [rows, cols]: readonly [rows: number, cols: number],
  bits: CodeBits,
): KernelMatrix {
  const form = productForm(type);
  if (form === undefined || form.group === 16) throw new RangeError(`${type} has no block form`);
  const { group: block, bits: codeBits, zero, hasMin } = form;
  if (bits < fewestBits(form)) throw new RangeError(`${type} has no block form with ${bits}-bit codes`);
  if (cols % block !== 0) throw new RangeError(`${type} rows must have a multiple of ${block} weights, got ${cols}`);
  checkBytes(type, bytes, rows * cols);
  const groups = emptyGroups(form, rows * cols);
  form.unpack(bytes, groups);
  const { codes, scale, min } = groups;
  if (hasMin) return fromMinimum(bits, { rows, codes, scale, min, codeBits });
  return packed(bits, { rows, block, codes, scale, zero: new Uint8Array(scale.length).fill(zero) });
}
