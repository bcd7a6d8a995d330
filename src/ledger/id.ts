import { randomBytes } from "node:crypto";

/** A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random ones, so that ids sort by time as text. */
export function timeId(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
