import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "./program.testing.ts";

/** The COPY and npm lines of deploy/Dockerfile run without Docker, each stage in its own folder. */
const folder = mkdtempSync(join(tmpdir(), "modicum-image-"));
afterAll(() => rmSync(folder, { recursive: true }));

const dockerfile = readFileSync(join(root, "deploy/Dockerfile"), "utf8").replaceAll("\\\n", "");
const ignored = readFileSync(join(root, "deploy/Dockerfile.dockerignore"), "utf8");
/** The names that the builder sees. */
const context = [...ignored.matchAll(/^!(\S+)$/gm)].map(([, name]) => name!);
const app = (stage: string) => join(folder, stage, "app");

function copy(words: readonly string[], stage: string) {
  const [from] = words[0]!.match(/(?<=^--from=).+/) ?? [];
  const [destination, ...sources] = words.slice(from === undefined ? 0 : 1).reverse();
  const target = (name: string) => join(app(stage), sources.length === 1 ? destination! : name);
  if (from !== undefined) for (const path of sources) copyFromStage(join(folder, from, path), target(path));
  else if (sources[0] === ".") for (const name of context) copyFromContext(name, join(app(stage), name));
  else for (const name of sources) copyFromContext(name, target(name));
}

/** A folder's contents join existing ones at the target, as with COPY. */
function copyFromStage(source: string, target: string) {
  if (existsSync(target)) cpSync(source, target, { recursive: true });
  else renameSync(source, target);
}

function copyFromContext(name: string, target: string) {
  expect(context).toContain(name.split("/")[0]);
  cpSync(join(root, name), target, { recursive: true, filter: (path) => !path.endsWith("/fixtures") });
}

function npm(command: string, stage: string) {
  // The same line, with the same lock file, installed this clone's packages.
  if (command === "npm ci") symlinkSync(join(root, "node_modules"), join(app(stage), "node_modules"));
  else
    execFileSync("sh", ["-c", command.replace(/^npm ci/, "$& --prefer-offline")], { cwd: app(stage), stdio: "pipe" });
}

beforeAll(() => {
  let stage = "";
  for (const [, instruction, words] of dockerfile.matchAll(/^([A-Z]+) (.+)$/gm)) {
    if (instruction === "FROM") {
      stage = /(?<= AS )\w+$/.exec(words!)?.[0] ?? "image";
      mkdirSync(app(stage), { recursive: true });
    } else if (instruction === "COPY") copy(words!.split(" "), stage);
    else if (instruction === "RUN" && words!.startsWith("npm ")) npm(words!, stage);
  }
}, 600_000);

test("the image's files answer, with a shipped model", () => {
  const env = { ...process.env, NODE_ENV: "production", MODICUM_HOME: join(folder, "home") };
  const modicum = (...words: string[]) =>
    execFileSync("node", ["bin/modicum.js", ...words], { cwd: app("image"), env, encoding: "utf8" });
  expect(modicum("--version")).toMatch(/^\d+\.\d+\.\d+\n$/);
  const { tokens } = JSON.parse(modicum("run", "--json", "--model", "mamba-tiny", "--max-tokens", "4", "ROMEO:"));
  expect(tokens).toHaveLength(4);
});

const [, packages] = /apt-get install --yes --no-install-recommends ([\w. -]+?) &&/.exec(dockerfile)!;
const known = (name: string) => spawnSync("apt-cache", ["show", name], { encoding: "utf8" }).stdout ?? "";
test("apt knows the image's packages, including pip", ({ skip }) => {
  skip(known("libc6") === "", "apt-cache is missing, or has no lists (apt-get update)");
  expect(packages!.split(" ")).toContain("python3-pip");
  for (const name of packages!.split(" ")) expect(known(name)).toContain(`Package: ${name}\n`);
});
