export { dequantize, isDequantizable } from "./dequantize.ts";
export { type Field, fieldOf } from "./fields.ts";
export { openGguf, readFloats, readTensor } from "./file.ts";

export { type KernelForm, kernelForm, toKernelMatrix } from "./kernel.ts";
export type { Metadata } from "./metadata.ts";
export type { WrittenType } from "./quantize.ts";
export { fileType, storedType } from "./stored-type.ts";
export type { GgufTensor } from "./tensors.ts";
export { byteLength, type GgmlType } from "./types.ts";
export { plannedGguf, type WritableGguf, writeGguf } from "./write.ts";
