import { statSync } from "node:fs";

/** Tells a state of a file from any other: how long it is, and when it last changed, be it only in place. */
export function fileState(path: string): string {
  const { size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs}`;
}
