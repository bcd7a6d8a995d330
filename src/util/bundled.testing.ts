import { rmSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const bundles = new Map<string, string>();

/**
 * Bundles a TypeScript program into one file, so that child processes start fast. The file is built once and deleted
 * when this process ends.
 */
export function bundled(program: URL): string {
  const entry = fileURLToPath(program);
  const file = bundles.get(entry) ?? build(entry);
  bundles.set(entry, file);
  return file;
}

function build(entry: string): string {
  const name = `${basename(entry, ".ts")}-${process.pid}.mjs`;
  const outfile = fileURLToPath(new URL(`../../node_modules/.cache/modicum/${name}`, import.meta.url));
  // Packages are bundled as well, except native ones, because loading their many files would take longer than
  // everything else.
  const js = 'import { createRequire as made } from "node:module"; const require = made(import.meta.url);';
  const target = { bundle: true, platform: "node", format: "esm", target: "node20" } as const;
  const external = ["libsql", "koffi"];
  buildSync({ entryPoints: [entry], outfile, ...target, external, banner: { js }, logLevel: "error" });
  process.on("exit", () => rmSync(outfile, { force: true }));
  return outfile;
}
