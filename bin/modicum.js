#!/usr/bin/env node
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "..");

/** The published program; in a clone, a bundle of the current sources, made if it does not exist yet. */
async function program() {
  if (!existsSync(join(root, "src"))) return published();
  const bundle = join(root, "node_modules", ".cache", "modicum", sourcesHash());
  if (!existsSync(bundle)) await make(bundle);
  return join(bundle, "cli.js");
}

function published() {
  const file = join(root, "dist", "cli.js");
  if (existsSync(file)) return file;
  console.error(
    `${file} is missing: this package was packed without a build, which \`npm pack --ignore-scripts=false\` runs`,
  );
  process.exit(1);
}

async function make(bundle) {
  const { register } = await import("tsx/esm/api");
  const unregister = register();
  await (await import("../tools/bundle.ts")).bundleOnce(bundle);
  await unregister();
}

/** Changes with the path, size or time of any source, of the bundler and of the packages. */
function sourcesHash() {
  const hash = createHash("sha256");
  const sources = ["src", "apps"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, file)),
  );
  for (const file of [...sources, join("tools", "bundle.ts"), "package-lock.json"]) {
    if (/^(src|apps)/.test(file) && (!/\.tsx?$/.test(file) || /\.test\.tsx?$/.test(file))) continue;
    const { mtimeMs, size } = statSync(join(root, file));
    hash.update(`${file}\0${mtimeMs}\0${size}\0`);
  }
  return hash.digest("hex").slice(0, 24);
}

// Stack traces name the TypeScript sources and their lines.
process.setSourceMapsEnabled(true);
// Node 22.1 and later keep compiled code between starts.
module.enableCompileCache?.();
await import(pathToFileURL(await program()).href);
