import { statSync } from "node:fs";

/** Identifies a file's state by its length and the times of its last change, so that changes in place count as well. */
export function fileState(path: string): string {
  const { size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs}`;
}
