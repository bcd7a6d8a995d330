import { statSync } from "node:fs";

/** Identifies a file's state by its length and the time of its last change, which includes changes in place. */
export function fileState(path: string): string {
  const { size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs}`;
}
