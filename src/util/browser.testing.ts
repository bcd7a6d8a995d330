import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The Chromium on the PATH, as Debian's package installs it. */
export function browserPath(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  return folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
