/**
 * Measures the size of the project and compares it with the limits in `budgets.json`, which changes may only lower.
 * `npm run budgets`; `-- --lower` writes the measures that are below their limits.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { writeJson } from "../src/util/write-whole.ts";
import { bundle } from "./bundle.ts";
import { countModules } from "./modules.ts";

export interface Budget {
  /** The measured quantity. */
  readonly is: string;
  readonly limit: number;
  readonly goal: number;
}
export type Budgets = Readonly<Record<string, Budget>>;

const root = join(import.meta.dirname, "..");
const file = join(root, "tools", "budgets.json");

/** Folders in which each file or folder is a plug: adding one adds its own lines. */
const plugs = ["savings", "pipelines", "train/methods", "lab/tasks", "graph/ops", "models/architectures"];

/** TypeScript files of a folder, without tests and files that only tests import. */
const sourcesIn = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !/\.(test|testing)\.tsx?$/.test(name))
    .map((name) => join(root, folder, name));

/** Lines of code: neither blank nor only a comment. */
export function codeLines(text: string): number {
  let inComment = false;
  const isCode = (line: string): boolean => {
    if (inComment || line.startsWith("/*")) {
      inComment = !line.includes("*/");
      return !inComment && /\*\/\s*\S/.test(line);
    }
    return line !== "" && !line.startsWith("//");
  };
  return text.split("\n").filter((line) => isCode(line.trim())).length;
}

const linesOf = (files: readonly string[]): number =>
  files.reduce((sum, path) => sum + codeLines(readFileSync(path, "utf8")), 0);

const isPlug = (path: string): boolean => plugs.some((plug) => path.startsWith(join(root, "src", plug, "/")));

/** The size in bytes of the command line bundled into one file, without packages. */
async function minifiedBytes(): Promise<number> {
  const { outputFiles } = await build({
    ...{ absWorkingDir: root, entryPoints: ["src/cli/main.ts"], outfile: "cli.js", write: false },
    ...{ bundle: true, minify: true, packages: "external", platform: "node", format: "esm", target: "node20.12" },
  });
  return outputFiles[0]!.contents.length;
}

/** The number and size of the package's files, as npm packs this clone, with a separate build. */
async function packageSizes(): Promise<{ files: number; bytes: number }> {
  // Built beside the sources, like a release, because source maps contain relative paths to the sources.
  const dist = mkdtempSync(join(root, "dist-"));
  try {
    await bundle(dist);
    const tsc = [join(root, "node_modules", "typescript", "bin", "tsc"), "--project", "tools/tsconfig.build.json"];
    execFileSync(process.execPath, [...tsc, "--noCheck", "--outDir", dist], { cwd: root });
    const built = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const packed = npmPack().filter(({ path }) => !path.startsWith("dist/"));
    const bytes = [...packed.map(({ size }) => size), ...built.map((f) => statSync(join(f.parentPath, f.name)).size)];
    return { files: bytes.length, bytes: bytes.reduce((a, b) => a + b, 0) };
  } finally {
    rmSync(dist, { recursive: true });
  }
}

function npmPack(): readonly { readonly path: string; readonly size: number }[] {
  const words = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  return JSON.parse(
    execFileSync("npm", words, { cwd: root, maxBuffer: 2 ** 26, stdio: ["ignore", "pipe", "ignore"] }).toString(),
  )[0].files;
}

/** Exports that no other file imports. */
function unusedExports(): number {
  const words = ["--reporter", "json", "--no-exit-code"];
  const { issues } = JSON.parse(
    execFileSync(join(root, "node_modules", ".bin", "knip"), words, { cwd: root, maxBuffer: 2 ** 26 }).toString(),
  );
  const kinds = ["exports", "types", "nsExports", "nsTypes", "enumMembers"];
  return issues.reduce(
    (sum: number, of: Record<string, unknown[]>) => sum + kinds.reduce((n, kind) => n + (of[kind]?.length ?? 0), 0),
    0,
  );
}

async function measured(): Promise<Record<string, number>> {
  const sources = sourcesIn("src");
  const { files, bytes } = await packageSizes();
  const { run, load } = countModules();
  return {
    "source lines": linesOf(sources),
    "trunk lines": linesOf(sources.filter((path) => !isPlug(path))),
    "source files": sources.length,
    "cli.js, minified kB": Math.ceil((await minifiedBytes()) / 1000),
    "package MB": Math.ceil(bytes / 1e5) / 10,
    "package files": files,
    "tools lines": linesOf(sourcesIn("tools")),
    "unused exports": unusedExports(),
    "modules of run": run,
    "modules of load": load,
  };
}

/** Sentences about measures above their limits. @throws Error if budgets and measures differ in name */
export function overspent(budgets: Budgets, values: Readonly<Record<string, number>>): string[] {
  const [planned, found] = [Object.keys(budgets).sort(), Object.keys(values).sort()];
  if (planned.join() !== found.join())
    throw new Error(`budgets.json has ${planned.join(", ")}; measured: ${found.join(", ")}`);
  return Object.entries(budgets)
    .filter(([name, { limit }]) => values[name]! > limit)
    .map(([name, { limit, is }]) => `${name}: ${values[name]}, and the limit is ${limit} (${is})`);
}

/** Budgets lowered to the measures that are below their limits. */
export const lowered = (budgets: Budgets, values: Readonly<Record<string, number>>): Budgets =>
  Object.fromEntries(
    Object.entries(budgets).map(([name, budget]) => [
      name,
      { ...budget, limit: Math.min(budget.limit, values[name]!) },
    ]),
  );

if (process.argv[1] === import.meta.filename) {
  const budgets: Budgets = JSON.parse(readFileSync(file, "utf8"));
  const values = await measured();
  const over = overspent(budgets, values);
  for (const [name, { limit, goal }] of Object.entries(budgets))
    console.log(`${name.padEnd(22)} ${String(values[name]).padStart(7)}   limit ${limit}, goal ${goal}`);
  if (process.argv.includes("--lower")) await writeJson(file, lowered(budgets, values));
  if (over.length > 0) {
    console.error(over.join("\n"));
    process.exitCode = 1;
  }
}
