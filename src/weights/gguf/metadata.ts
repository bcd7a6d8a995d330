import { suggest, UserError } from "../../util/errors.ts";
import { type Cursor, quote } from "./cursor.ts";
import { GgufStrings } from "./strings.ts";
import { type GgufValue, type IntegerArray, type NumberArray, readType, readValue, type ValueType } from "./values.ts";

/**
 * A file's metadata by key. Accessors return the value, or `fallback` for a missing key; without a fallback, they throw
 * a `UserError` that names the file and the key.
 */
export class Metadata extends Map<string, GgufValue> {
  /** The types of the values in the file. */
  readonly types = new Map<string, ValueType>();

  constructor(readonly path: string) {
    super();
  }

  string(key: string, fallback?: string): string {
    return this.typed(key, fallback, "a string", (value) => typeof value === "string");
  }

  boolean(key: string, fallback?: boolean): boolean {
    return this.typed(key, fallback, "a boolean", (value) => typeof value === "boolean");
  }

  number(key: string, fallback?: number): number {
    return this.typed(key, fallback, "a number", (value) => typeof value === "number");
  }

  integer(key: string, fallback?: number): number {
    const isInteger = (value: GgufValue): value is number => Number.isSafeInteger(value);
    return this.typed(key, fallback, "an integer", isInteger);
  }

  strings(key: string, fallback?: readonly string[]): readonly string[] {
    if (fallback !== undefined && !this.has(key)) return fallback;
    return this.typed(key, undefined, "an array of strings", (value) => value instanceof GgufStrings).toArray();
  }

  numbers(key: string, fallback?: NumberArray): NumberArray {
    return this.typed(key, fallback, "an array of numbers", isNumberArray);
  }

  /** Integers of up to 32 bits. */
  integers(key: string, fallback?: IntegerArray): IntegerArray {
    return this.typed(key, fallback, "an array of integers", isIntegerArray);
  }

  private typed<T extends GgufValue>(
    key: string,
    fallback: T | undefined,
    expected: string,
    is: (value: GgufValue) => value is T,
  ): T {
    const value = this.get(key) ?? fallback;
    if (value === undefined) {
      throw new UserError(`${this.path}: metadata ${quote(key)} is missing${suggest(key, this.keys())}`);
    }
    if (!is(value)) {
      throw new UserError(`${this.path}: metadata ${quote(key)} is ${describe(value)}, expected ${expected}`);
    }
    return value;
  }
}

export function readMetadata(cursor: Cursor, count: number): Metadata {
  const metadata = new Metadata(cursor.source.path);
  for (let i = 0; i < count; i++) {
    cursor.subject = `metadata entry ${i}`;
    const key = cursor.name();
    cursor.subject = `metadata ${quote(key)}`;
    if (metadata.has(key)) cursor.fail("appears twice");
    const type = readType(cursor);
    metadata.types.set(key, type);
    metadata.set(key, readValue(cursor, type));
  }
  return metadata;
}

function isNumberArray(value: GgufValue): value is NumberArray {
  return isIntegerArray(value) || value instanceof Float32Array || value instanceof Float64Array;
}

function isIntegerArray(value: GgufValue): value is IntegerArray {
  return (
    value instanceof Uint8Array ||
    value instanceof Int8Array ||
    value instanceof Uint16Array ||
    value instanceof Int16Array ||
    value instanceof Uint32Array ||
    value instanceof Int32Array
  );
}

function describe(value: GgufValue): string {
  switch (typeof value) {
    case "string":
      return "a string";
    case "object":
      return `an array of ${value.length} ${value instanceof GgufStrings ? "strings" : "values"}`;
    default:
      return String(value);
  }
}
