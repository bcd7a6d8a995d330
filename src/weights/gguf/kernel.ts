import type { CodeBits } from "../../graph/index.ts";
import { fromMinimum, type KernelMatrix, packed } from "../prepared/layout.ts";
import { type BlockForm, emptyGroups, productForm } from "./blocks/index.ts";
import { checkBytes } from "./dequantize.ts";
import type { GgmlType } from "./types.ts";

/** The exact form in which the kernels run a storage type. */
export interface KernelForm {
  /** The fewest bits that hold its codes exactly, among those that the kernels support. */
  readonly bits: CodeBits;
  /** Columns that share a scale; the kernel takes about a quarter longer over blocks of 16. */
  readonly block: 16 | 32;
  /** True if a thin product in float32 is needed besides the product of the codes. */
  readonly residual: boolean;
}

/** The kernel's form; undefined for types without one (floats, unsupported types), which run as float32. */
export function kernelForm(type: GgmlType): KernelForm | undefined {
  const form = productForm(type);
  return form && { bits: fewestBits(form), block: form.group, residual: form.hasMin };
}

/** The kernels' 4-bit codes serve types with exactly 4 bits, in blocks of 32. */
const fewestBits = ({ bits }: BlockForm): CodeBits => (bits === 4 ? 4 : 8);

/**
 * A matrix [rows, cols] in the kernel's form with `bits`; its weights equal `dequantize`'s within 1e-6 of the largest.
 * @throws RangeError if `bytes` has the wrong length for rows × cols weights, or `type` has no such form
 */
export function toKernelMatrix(
  type: GgmlType,
  bytes: Uint8Array,
  [rows, cols]: readonly [rows: number, cols: number],
  bits: CodeBits,
): KernelMatrix {
  const form = productForm(type);
  if (form === undefined) throw new RangeError(`${type} has no form in blocks`);
  const { group: block, bits: codeBits, zero, hasMin } = form;
  if (bits < fewestBits(form)) throw new RangeError(`${type} has no form in blocks of ${bits}-bit codes`);
  if (cols % block !== 0) throw new RangeError(`${type} rows have a multiple of ${block} weights, got ${cols}`);
  checkBytes(type, bytes, rows * cols);
  const groups = emptyGroups(form, rows * cols);
  form.unpack(bytes, groups);
  const { codes, scale, min } = groups;
  if (hasMin) return fromMinimum(bits, { rows, block, codes, scale, min, codeBits });
  return packed(bits, { rows, block, codes, scale, zero: new Uint8Array(scale.length).fill(zero) });
}
