import { createHash } from "node:crypto";

/** The SHA-256 of a text (UTF-8) or of bytes, in hexadecimal digits. */
export const sha256Of = (data: string | NodeJS.ArrayBufferView): string =>
  createHash("sha256").update(data).digest("hex");

/** FNV-1a (Fowler, Noll, Vo) over bytes or 32-bit words: an unsigned 32-bit hash, not for secrets. */
export function fnv1a(values: Iterable<number>): number {
  let hash = 0x811c9dc5;
  for (const value of values) hash = Math.imul(hash ^ value, 0x01000193);
  return hash >>> 0;
}
