import { Buffer } from "node:buffer";
import type { Metadata } from "./metadata.ts";
import { GgufStrings } from "./strings.ts";
import { GGML_TYPES, type GgmlType } from "./types.ts";
import { type GgufValue, TYPED_ARRAYS, VALUE_TYPES, type ValueType } from "./values.ts";

type Scalar = number | bigint | boolean | string;

/** A metadata value to write, with its type; for an array, its items and their type. */
export type Field =
  | [type: Exclude<ValueType, "array">, value: Scalar]
  | [type: "array", item: Exclude<ValueType, "array">, values: readonly Scalar[]]
  | [type: "array", item: "array", values: readonly Field[]];

/** Converts a value read from a file to its form for writing; undefined for a missing key. */
export function fieldOf(metadata: Metadata, key: string): Field | undefined {
  const [value, type] = [metadata.get(key), metadata.types.get(key)];
  return value === undefined || type === undefined ? undefined : asField(value, type);
}

function asField(value: GgufValue, type: ValueType): Field {
  if (type !== "array") return [type, value as Scalar];
  if (value instanceof GgufStrings) return ["array", "string", value.toArray()];
  if (!Array.isArray(value)) {
    const items = value as ArrayLike<number>;
    const item = (Object.keys(TYPED_ARRAYS) as (keyof typeof TYPED_ARRAYS)[]).find(
      (name) => value instanceof TYPED_ARRAYS[name],
    );
    return ["array", item!, Array.from(items)];
  }
  if (value.every((item) => typeof item === "boolean")) return ["array", "bool", value];
  return ["array", "array", value.map((item) => asField(item, "array"))];
}

/** The first bytes of a file. */
export function header(tensors: number | bigint, entries: number | bigint, version = 3): Buffer {
  return Buffer.concat([Buffer.from("GGUF"), u32(version), u64(tensors), u64(entries)]);
}

/** A metadata entry. */
export function entry(key: string, field: Field): Buffer {
  return Buffer.concat([text(key), typeId(field[0]), payload(field)]);
}

/** A tensor's entry; `shape` is row-major, `offset` counts from the start of the data. */
export function tensorInfo(
  name: string,
  shape: readonly (number | bigint)[],
  type: GgmlType | number,
  offset: number | bigint,
): Buffer {
  const id = typeof type === "number" ? type : GGML_TYPES[type].id;
  return Buffer.concat([text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(id), u64(offset)]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function typeId(type: ValueType): Buffer {
  return u32(VALUE_TYPES.indexOf(type));
}

function payload(field: Field): Buffer {
  if (field[0] !== "array") return scalar(field[0], field[1]);
  const [, item, values] = field;
  const items = item === "array" ? values.map(payload) : values.map((value) => scalar(item, value));
  return Buffer.concat([typeId(item), u64(values.length), ...items]);
}

function scalar(type: Exclude<ValueType, "array">, value: Scalar): Buffer {
  const bytes = Buffer.alloc(8);
  switch (type) {
    case "string":
      return text(String(value));
    case "float32":
      bytes.writeFloatLE(Number(value));
      return bytes.subarray(0, 4);
    case "float64":
      bytes.writeDoubleLE(Number(value));
      return bytes;
    default:
      return u64(BigInt(value)).subarray(0, type === "bool" ? 1 : Number(/\d+$/.exec(type)) / 8);
  }
}
