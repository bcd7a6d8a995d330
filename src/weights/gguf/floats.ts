import { halfBits } from "./half.ts";
import type { GgmlType } from "./types.ts";

type FloatDecoder = (view: DataView, out: Float32Array<ArrayBuffer>) => void;

const decoders: Partial<Record<GgmlType, FloatDecoder>> = {
  F64: (view, out) => {
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat64(8 * i, true);
  },
  F32: (view, out) => {
    new Uint8Array(out.buffer).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  },
  F16: (view, out) => {
    const half = halfBits();
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = half[view.getUint16(2 * i, true)]!;
  },
  // The upper half of a float32.
  BF16: (view, out) => {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
  },
};

/** Converts floats of `type` to float32, into an array that owns its buffer; undefined for other types. */
export function floatDecoder(type: GgmlType): FloatDecoder | undefined {
  return decoders[type];
}
