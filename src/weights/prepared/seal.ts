import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/** Bytes `from` to `end` − 1 of a file, which were written together, and their SHA-256. */
export interface Seal {
  readonly from: number;
  readonly end: number;
  readonly sha256: string;
}

/** Bytes that are read at a time. */
const PIECE = 2 ** 20;

/** Reads a file whole: true if it has the bytes of all its seals. */
export function isSound(file: string, seals: readonly Seal[]): boolean {
  const fd = openSync(file, "r");
  try {
    return seals.every((seal) => hashOf(fd, seal) === seal.sha256);
  } finally {
    closeSync(fd);
  }
}

function hashOf(fd: number, { from, end }: Seal): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, end - from));
  for (let at = from; at < end; ) {
    const got = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
    if (got === 0) break;
    hash.update(buffer.subarray(0, got));
    at += got;
  }
  return hash.digest("hex");
}
