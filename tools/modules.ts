/**
 * Prints as JSON how many modules of `src` two short programs load: `run`, a command until its receipt is stored, and
 * `load`, one answer through the library. Packages do not count. `npx tsx tools/modules.ts`
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "..");
const model = join(root, "src", "models", "fixtures", "llama-tiny.gguf");

const run = ["src/cli/main.ts", "run", "--model", model, "--save", "exit:layer=1", "--max-tokens", "2", "--raw", "abc"];
const load = [
  "--input-type=module",
  "--eval",
  `import { load } from ${JSON.stringify(pathToFileURL(join(root, "src", "index.ts")).href)};
   const model = await load(${JSON.stringify(model)});
   await model.complete("abc", { raw: true, maxTokens: 2 });
   model.dispose();`,
];

const asModule = (code: string): string => `data:text/javascript,${encodeURIComponent(code)}`;

/** Writes to a file the URL of each module that Node loads. */
const hook = (file: string): string =>
  asModule(`import { appendFileSync } from "node:fs";
    export async function load(url, context, next) {
      appendFileSync(${JSON.stringify(file)}, url + "\\n");
      return next(url, context);
    }`);

/** The modules of `src` that a program loads. */
function modulesOf(words: readonly string[], folder: string): number {
  const file = join(folder, "modules");
  const register = asModule(`import { register } from "node:module"; register(${JSON.stringify(hook(file))});`);
  execFileSync(process.execPath, ["--import", "tsx", "--import", register, ...words], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, MODICUM_HOME: folder, MODICUM_TUNE: "off" },
  });
  const source = pathToFileURL(join(root, "src")).href;
  const urls = readFileSync(file, "utf8").split("\n");
  rmSync(file);
  return new Set(urls.filter((url) => url.startsWith(`${source}/`)).map((url) => url.split("?")[0])).size;
}

/** Counts the modules that each of the two programs loads. */
export function countModules(): { readonly run: number; readonly load: number } {
  const folder = mkdtempSync(join(tmpdir(), "modicum-modules-"));
  try {
    return { run: modulesOf(run, folder), load: modulesOf(load, folder) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) console.log(JSON.stringify(countModules()));
