import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

/** Bundles the command line and the library into `outdir`: `cli.js`, `index.js` and, in `chunks/`, what is shared or loaded later. */
export async function bundle(outdir: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { cli: "src/cli/main.ts", index: "src/index.ts" },
    outdir,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20.12",
    packages: "external",
    chunkNames: "chunks/[name]-[hash]",
    logLevel: "warning",
  });
}

/** Bundles aside and renames: a kill leaves nothing half-written, and of several processes at once each finds a whole bundle. */
export async function bundleOnce(outdir: string): Promise<void> {
  const aside = `${outdir}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(outdir), { recursive: true });
    await bundle(aside);
    await rename(aside, outdir);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    // Another process was faster.
    if (!existsSync(outdir)) throw error;
  }
  await sweep(dirname(outdir));
}

/** Deletes bundles of older sources; processes that still run from one may load more of it, so the last day's stay. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const { mtimeMs } = await stat(join(folder, name));
    if (Date.now() - mtimeMs > 86_400_000) await rm(join(folder, name), { recursive: true, force: true });
  }
}
