import { UserError } from "../../util/errors.ts";
import { type BlockForm, blockForm, emptyGroups, type Groups } from "./blocks/index.ts";
import { floatDecoder } from "./floats.ts";
import { byteLength, type GgmlType } from "./types.ts";

/** The number of weights unpacked at a time: few enough for the processor's cache, and whole blocks of every type. */
const CHUNK = 2 ** 15;

export function isDequantizable(type: GgmlType): boolean {
  return floatDecoder(type) !== undefined || blockForm(type) !== undefined;
}

/**
 * Converts `count` weights of `type` to float32, bit for bit like `gguf.quants.dequantize` in the gguf Python package.
 * @throws UserError for an unsupported type; RangeError if `bytes` has the wrong length for `count` weights
 */
export function dequantize(type: GgmlType, bytes: Uint8Array, count: number): Float32Array<ArrayBuffer> {
  const [decode, form] = [floatDecoder(type), blockForm(type)];
  if (!decode && !form) throw new UserError(`weights of type ${type} are not supported yet`);
  checkBytes(type, bytes, count);
  const out = new Float32Array(count);
  decode?.(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), out);
  if (form) decodeBlocks(form, byteLength(type, CHUNK), bytes, out);
  return out;
}

export function checkBytes(type: GgmlType, bytes: Uint8Array, count: number): void {
  const expected = byteLength(type, count);
  if (bytes.length === expected && Number.isInteger(expected)) return;
  throw new RangeError(`${count} weights of type ${type} take ${expected} bytes, got ${bytes.length}`);
}

function decodeBlocks(form: BlockForm, chunkBytes: number, bytes: Uint8Array, out: Float32Array): void {
  const groups = emptyGroups(form, Math.min(CHUNK, out.length));
  for (let at = 0, i = 0; i < out.length; at += chunkBytes, i += CHUNK) {
    form.unpack(bytes.subarray(at, at + chunkBytes), groups);
    combine(form, groups, out.subarray(i, i + CHUNK));
  }
}

/** Scales have at most 19 bits and codes 8, so doubles are exact: only storing rounds, as in float32. */
function combine({ group, zero, hasMin }: BlockForm, { codes, scale, min }: Groups, out: Float32Array): void {
  for (let g = 0, i = 0; i < out.length; g++) {
    const s = scale[g]!;
    // Adding −0 changes nothing, not even a zero's sign.
    const m = hasMin ? min[g]! : -0;
    for (const end = i + group; i < end; i++) out[i] = s * (codes[i]! - zero) + m;
  }
}
