/**
 * Installs examples with this clone's packages, as a user does, and runs each one's test on the real SmolLM2: `npm run
 * test:examples [NAME…]`. Receipts, recipes and indexes go to a temporary folder.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { modelsFolder } from "../src/weights/sources/home.ts";
import { writePlatformPackage } from "../tools/platform-package.ts";
import { root } from "../tools/section.ts";

const place = mkdtempSync(join(tmpdir(), "modicum-examples-"));
const env = { ...process.env, MODICUM_HOME: join(place, "home"), NEXT_TELEMETRY_DISABLED: "1" };
const npm = (cwd: string, ...words: string[]): string =>
  execFileSync("npm", words, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** The packed files of this clone and of its platform's package. */
function packages(): string[] {
  const platform = writePlatformPackage(`${process.platform}-${process.arch}`, place);
  for (const folder of [root, platform]) npm(folder, "pack", "--ignore-scripts=false", "--pack-destination", place);
  return readdirSync(place)
    .filter((name) => name.endsWith(".tgz"))
    .map((name) => join(place, name));
}

/** Examples that are separate programs. The editor extension is packaged in its folder. */
const examples = readdirSync(join(root, "examples")).filter((name) =>
  existsSync(join(root, "examples", name, "tsconfig.json")),
);

/** Outside the clone, whose packages it must not find. */
function copyOf(name: string): string {
  const folder = join(place, name);
  const built = new Set(["node_modules", ".next"]);
  cpSync(join(root, "examples", name), folder, { recursive: true, filter: (file) => !built.has(basename(file)) });
  return folder;
}

function check(name: string, tarballs: readonly string[]): boolean {
  const folder = copyOf(name);
  try {
    npm(folder, "ci", "--no-audit", "--no-fund");
    npm(folder, "install", "--no-save", "--no-audit", "--no-fund", ...tarballs);
    console.log(npm(folder, "test"));
    return true;
  } catch (error) {
    console.error(`${name} failed: ${(error as { stdout?: string }).stdout ?? error}`);
    return false;
  }
}

try {
  mkdirSync(modelsFolder(), { recursive: true });
  mkdirSync(env.MODICUM_HOME);
  symlinkSync(modelsFolder(), join(env.MODICUM_HOME, "models"));
  const names = process.argv.length > 2 ? process.argv.slice(2) : examples;
  const tarballs = packages();
  const failed = names.filter((name) => !check(name, tarballs));
  if (failed.length > 0) process.exitCode = 1;
  console.log(failed.length > 0 ? `failed: ${failed.join(", ")}` : `${names.length} examples passed`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
