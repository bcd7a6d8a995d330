import { endianness } from "node:os";

/** Encodes 32-bit little-endian floats. */
export function base64(values: Float32Array): string {
  const bytes = Buffer.from(values.slice().buffer);
  return (endianness() === "LE" ? bytes : bytes.swap32()).toString("base64");
}
