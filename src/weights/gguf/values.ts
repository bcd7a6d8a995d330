import type { Cursor } from "./cursor.ts";
import type { GgufStrings } from "./strings.ts";

/** Metadata types; the index is the id (gguf.md, `gguf_metadata_value_type`). */
export const VALUE_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;
export type ValueType = (typeof VALUE_TYPES)[number];

export type IntegerArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;
export type NumberArray = IntegerArray | Float32Array | Float64Array;

/** Converts 64-bit integers to numbers if that is exact. Arrays of booleans and of arrays are plain arrays. */
export type GgufValue =
  | number
  | bigint
  | boolean
  | string
  | NumberArray
  | BigUint64Array
  | BigInt64Array
  | GgufStrings
  | GgufValue[];

export const TYPED_ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  float64: Float64Array,
};

const MAX_DEPTH = 4;
/**
 * A boolean takes 1 byte in the file and 8 in memory; an inner array takes 12 bytes in the file and about 200 in
 * memory. The file's size alone is therefore not a sufficient limit.
 */
const MAX_BOXED = 2 ** 20;

export function readValue(cursor: Cursor, type: ValueType, depth = 0): GgufValue {
  switch (type) {
    case "uint8":
    case "int8":
    case "uint16":
    case "int16":
    case "uint32":
    case "int32":
    case "float32":
    case "float64":
    case "string":
      return cursor[type]();
    case "uint64":
      return exact(cursor.bigUint64());
    case "int64":
      return exact(cursor.bigInt64());
    case "bool":
      return readBoolean(cursor);
    case "array":
      if (depth === MAX_DEPTH) cursor.fail(`nests arrays deeper than ${MAX_DEPTH}`);
      return readArray(cursor, readType(cursor), depth + 1);
  }
}

export function readType(cursor: Cursor): ValueType {
  const id = cursor.uint32();
  return VALUE_TYPES[id] ?? cursor.fail(`has the unknown type ${id}, expected 0 to ${VALUE_TYPES.length - 1}`);
}

function readArray(cursor: Cursor, type: ValueType, depth: number): GgufValue {
  switch (type) {
    case "string":
      return cursor.strings(cursor.count("strings", 8));
    case "bool":
    case "array":
      return readBoxed(cursor, type, depth);
    default: {
      const TypedArray = TYPED_ARRAYS[type];
      const size = TypedArray.BYTES_PER_ELEMENT;
      return new TypedArray(cursor.copy(cursor.count("numbers", size) * size));
    }
  }
}

function readBoxed(cursor: Cursor, type: "bool" | "array", depth: number): GgufValue[] {
  const count = type === "bool" ? cursor.count("booleans", 1, MAX_BOXED) : cursor.count("arrays", 12, MAX_BOXED);
  return Array.from({ length: count }, () => readValue(cursor, type, depth));
}

function readBoolean(cursor: Cursor): boolean {
  const byte = cursor.uint8();
  if (byte > 1) cursor.fail(`holds the boolean ${byte}, expected 0 or 1`);
  return byte === 1;
}

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
