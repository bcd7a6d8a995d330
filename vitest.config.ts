import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const files = ["src", "test"].flatMap((folder) =>
  readdirSync(join(import.meta.dirname, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => join(folder, file)),
);

/** Files that put something else in a module's place, or look at the memory of their process, have one of their own. */
const NEEDS_ITS_OWN =
  /\bvi\.(mock|hoisted|spyOn|stub\w+|useFakeTimers)\b|hold\.testing|memoryUsage|\/proc\/self|process\.env(\.\w+|\[[^\]]+\]) = /;
const alone = files.filter((file) => NEEDS_ITS_OWN.test(readFileSync(join(import.meta.dirname, file), "utf8")));

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 10_000 } },
    projects: [
      { extends: true, test: { name: "alone", include: alone } },
      // To load modules takes as long as many a file's tests: these load them once.
      {
        extends: true,
        test: { name: "together", include: files.filter((file) => !alone.includes(file)), isolate: false },
      },
    ],
  },
});
