import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");

/**
 * Packages of plain modules that every start needs: as part of the bundle they load in a third of the time, since Node looks for,
 * reads and links one file instead of hundreds. Others stay packages: they are native, or loaded only by what needs them.
 */
const inlined = ["@bufbuild/protobuf", "@huggingface/jinja", "@huggingface/tokenizers", "fastest-levenshtein", "zod"];

async function external(): Promise<string[]> {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !inlined.includes(name));
}

/**
 * Bundles the command line and the library into `outdir`: `cli.js`, `index.js`, in `chunks/` what they share or load later, and
 * the licences of the packages that are part of it.
 */
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
    external: await external(),
    chunkNames: "chunks/[name]-[hash]",
    minifySyntax: true,
    minifyWhitespace: true,
    logLevel: "warning",
  });
  await writeFile(join(outdir, "THIRD-PARTY-LICENSES.txt"), (await Promise.all(inlined.map(licence))).join("\n"));
}

async function licence(name: string): Promise<string> {
  const folder = join(root, "node_modules", name);
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const { license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const text = file === undefined ? "" : await readFile(join(folder, file), "utf8");
  return `${name}: ${license}\n\n${text}`;
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
