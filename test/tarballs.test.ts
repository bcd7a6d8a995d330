/** The files that `npm publish` would send of the two packages, except `dist`, which is built first. */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "./program.testing.ts";

/** The project with empty files: npm selects names without reading contents, and packs these at once. */
const skeleton = mkdtempSync(join(tmpdir(), "modicum-tarballs-"));
beforeAll(() => {
  for (const name of readdirSync(root).filter((name) => !["node_modules", "dist", ".git"].includes(name)))
    cpSync(join(root, name), join(skeleton, name), { recursive: true, filter: emptied });
});
afterAll(() => rmSync(skeleton, { recursive: true }));

/** Copies folders and manifests, and creates other files empty. */
function emptied(from: string, to: string): boolean {
  if (statSync(from).isDirectory() || from.endsWith("package.json")) return true;
  writeFileSync(to, "");
  return false;
}

/** The files of a package, sorted. */
async function packed(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: join(skeleton, folder),
    maxBuffer: 2 ** 26,
  });
  return (JSON.parse(stdout)[0].files as { path: string }[]).map(({ path }) => path).sort();
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

const tops = (files: readonly string[]): string[] => [...new Set(files.map((path) => path.split("/")[0]!))].sort();

test("modicum has the artefacts of published models and two verbs' defaults, and no control", async () => {
  const files = await packed(".");
  expect(tops(files)).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "bin", "docs", "models", "package.json"]);
  const models = files.filter((path) => path.startsWith("models/")).map((path) => path.slice("models/".length));
  const control = (path: string) => path.startsWith("smollm2/first-unordered/");
  expect(models).toEqual(filesIn(join(root, "models")).filter((path) => !control(path)));
  expect(tops(models)).toEqual([
    "clip-tiny",
    "digits-tiny",
    "glove+minilm",
    "minilm-2+minilm",
    "qwen2.5-coder",
    "qwen2.5-coder+qwen2.5-coder-1.5b",
    "smollm2",
    "smollm2+qwen2.5-coder",
    "smollm2+qwen2.5-coder-1.5b",
  ]);
});

test("modicum-models has every model made here, each with its card, and nothing else", async () => {
  const folder = join(root, "packages", "models");
  const files = await packed("packages/models");
  expect(files).toEqual(filesIn(folder));
  const names = tops(files);
  const alone = ["LICENSE", "README.md", "package.json"];
  expect(names.filter((name) => alone.includes(name))).toEqual(alone);
  const models = names.filter((name) => !alone.includes(name));
  expect(models).toEqual([
    "code-tiny",
    "executor-tiny",
    "exits-small",
    "expertrag-world",
    "jetmoe-tiny",
    "mamba-tiny",
    "planner-tiny",
    "planner-tiny+executor-tiny",
    "planner-words",
    "planner-words+smollm2",
    "shakespeare",
    "think-tiny",
    "vlm-tiny",
  ]);
  for (const name of models.filter((name) => !name.includes("+"))) expect(files).toContain(`${name}/README.md`);
});

test("the lock file names no host: a clone installs from npm's configured registry", () => {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const resolved = Object.values<{ resolved?: string }>(packages).flatMap((entry) => entry.resolved ?? []);
  expect(resolved).toEqual(["packages/models"]);
});
