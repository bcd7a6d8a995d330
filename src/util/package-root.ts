import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** This package's folder, for source and bundled code alike. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** Version of this package. */
export function version(): string {
  return JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;
}
