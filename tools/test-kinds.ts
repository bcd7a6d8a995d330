import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Tests that need their own process: they replace modules or timers, inspect its memory or threads, load a second ONNX
 * Runtime, or expect new memory in a cache. test/restore.setup.ts resets spies and the environment after each file.
 */
const ISOLATED =
  /\bvi\.(mock|hoisted|resetModules|stubGlobal|useFakeTimers)\b|hold\.testing|memoryUsage|\/proc\/self|import\("onnxruntime-node"\)|environment\(\)\.threads|slot\.cache\.place\(/;

/** Patterns that mark a test file as slow. Tests that compute for seconds set a timeout. */
const SLOW: Readonly<Record<string, RegExp>> = {
  process:
    /from "(node:(child_process|cluster|worker_threads)|playwright-core|[^"]*\/(sandbox\/[^"]*|bench\/child\.ts))"/,
  socket: /from "(node:(net|http|https)|@hono\/node-server|[^"]*\/server\.ts)"|\bfetch\(/,
  model: /\bresolveModel\(|\bload(ed)?\(\s*"[a-z]|\bopen(Glove|Embedder|ClassifyPair|Pipeline)\(/,
  clock: /from "node:timers\/promises"|\bsetTimeout\(|\bperformance\.now\(|\bexpect\s*\.poll\(/,
  profile: /from "node:inspector"/,
  timeout: /^ *\}, [\d_]+\);$/m,
};

export interface TestFiles {
  /** Tests without a process, socket, real model, clock or profile: `npm run test:fast`. */
  readonly fast: string[];
  /** All other tests, except those that need isolation. */
  readonly slow: string[];
  /** Tests that each run in a separate process. */
  readonly isolated: string[];
}

/** Sorts the test files under `folders` of `root` by what they and their helpers use. */
export function testFiles(root: string, folders: readonly string[]): TestFiles {
  const files: TestFiles = { fast: [], slow: [], isolated: [] };
  for (const file of folders.flatMap((folder) => testsIn(root, folder))) {
    const text = readFileSync(join(root, file), "utf8");
    files[ISOLATED.test(text) ? "isolated" : reasons(root, file).length > 0 ? "slow" : "fast"].push(file);
  }
  return files;
}

const testsIn = (root: string, folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => join(folder, file));

/** The reasons why a test file is slow: signs in the file, or in its helpers (`*.testing.ts`). */
export function reasons(root: string, file: string, seen = new Set<string>()): string[] {
  seen.add(file);
  const text = readFileSync(join(root, file), "utf8");
  const own = Object.keys(SLOW).filter((name) => SLOW[name]!.test(text));
  const helpers = [...text.matchAll(/from "(\.[^"]+\.testing\.ts)"/g)]
    .map(([, path]) => join(dirname(file), path!))
    .filter((path) => !seen.has(path));
  return [...new Set([...own, ...helpers.flatMap((helper) => reasons(root, helper, seen))])];
}
