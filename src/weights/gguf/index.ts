export { dequantize } from "./dequantize.ts";
export { openGguf, readFloats, readTensor } from "./file.ts";
export type { GgufFile } from "./header.ts";
export type { Metadata } from "./metadata.ts";
export type { GgufStrings } from "./strings.ts";
export type { GgufTensor } from "./tensors.ts";
export { byteLength, type GgmlType } from "./types.ts";
export { type UnpackedQ4_1, type UnpackedQ8_0, unpackQ4_1, unpackQ8_0 } from "./unpack.ts";
export type { GgufValue, IntegerArray, NumberArray } from "./values.ts";
