import { statSync } from "node:fs";

/** Identifies the state of a file: its length, and the time of its last change, even if it was changed in place. */
export function fileState(path: string): string {
  const { size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs}`;
}
