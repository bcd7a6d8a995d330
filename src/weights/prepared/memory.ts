import os from "node:os";
import { UserError } from "../../util/errors.ts";

/** The number of bytes per weight in 8-bit blocks: a code, plus a scale and a zero point per 32 weights. */
const BLOCK_BYTES = 1 + 5 / 32;

/** The memory available to this process, in bytes: the machine's memory, or its container's limit. */
export function memoryLimit(): number {
  const share = process.constrainedMemory?.() ?? 0;
  return share > 0 ? Math.min(share, os.totalmem()) : os.totalmem();
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** @throws UserError, stating both sizes and the largest model that would fit, if weights do not fit in memory */
export function checkMemory(path: string, weights: number, limit: number): void {
  if (weights <= limit) return;
  const most = `${(limit / BLOCK_BYTES / 1e9).toFixed(1)} billion parameters in 8 bits`;
  throw new UserError(
    `${path}: its weights take ${gigabytes(weights)} of memory, but this machine has ${gigabytes(limit)}; a model of at most ${most} would fit`,
  );
}
