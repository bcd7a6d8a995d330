import { createHash } from "node:crypto";

/** The SHA-256 of a text (UTF-8) or of bytes, in hexadecimal digits. */
export const sha256Of = (data: string | NodeJS.ArrayBufferView): string =>
  createHash("sha256").update(data).digest("hex");
