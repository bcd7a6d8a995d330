import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

/** The number of modules when the list was made; it only falls. */
const MOST = 219;

/** Modules of `src` that a file imports, relative to the project. */
const reachedBy = (file: string): string[] =>
  [...readFileSync(join(root, file), "utf8").matchAll(/(?:\bfrom |\bimport |\bimport\()"(\.[^"]+)"/g)]
    .map(([, path]) => posix.join(dirname(file), path!))
    .filter((path) => path.startsWith("src/"));

/**
 * Internal modules that research imports. The list only shrinks: a study imports anything else from a room's public
 * face, such as src/index.ts, or has its own.
 */
test("research reaches the modules that research/reaches.json lists, and no others", () => {
  const files = readdirSync(join(root, "research"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => `research/${file}`);
  const reached = [...new Set(files.flatMap(reachedBy))].sort();
  const listed = JSON.parse(readFileSync(join(root, "research", "reaches.json"), "utf8")) as string[];
  expect(listed).toEqual(reached);
  expect(listed.length).toBeLessThanOrEqual(MOST);
});
