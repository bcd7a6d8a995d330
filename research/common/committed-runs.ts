import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { type Summary, summarySchema } from "../../src/lab/results.ts";
import { root } from "../../tools/section.ts";

/** A committed run: its summary, and its folder relative to the project. */
export interface Committed {
  readonly folder: string;
  readonly summary: Summary;
}

/** The runs below a folder of the project, by path. @throws if a summary is invalid */
export function committedRuns(folder: string, from = root): Committed[] {
  if (!existsSync(join(from, folder))) return [];
  const files = readdirSync(join(from, folder), { recursive: true, encoding: "utf8" });
  const folders = files
    .filter((file) => /(^|[\\/])summary\.json$/.test(file))
    .map((file) => posix.dirname(file.replaceAll("\\", "/")));
  return folders.sort().map((name) => ({
    folder: posix.join(folder, name),
    summary: readSummary(join(from, folder, name, "summary.json")),
  }));
}

function readSummary(path: string): Summary {
  try {
    return summarySchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new Error(`${path} is no summary of a lab run`, { cause });
  }
}
