export { dequantize, isDequantizable } from "./dequantize.ts";
export { openGguf, readFloats, readTensor } from "./file.ts";

export { type KernelForm, kernelForm, toKernelMatrix } from "./kernel.ts";
export type { Metadata } from "./metadata.ts";
export type { GgufTensor } from "./tensors.ts";
export { byteLength, type GgmlType } from "./types.ts";
