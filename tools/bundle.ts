import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");

/**
 * Plain packages that every start needs. In the bundle they load in a third of the time: Node finds, reads and links
 * one file instead of hundreds. Other packages stay separate: they are native, or few verbs load them.
 */
const inlined = ["@bufbuild/protobuf", "@huggingface/jinja", "@huggingface/tokenizers", "fastest-levenshtein", "zod"];

async function external(): Promise<string[]> {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !inlined.includes(name));
}

/** Keeps only Zod's English messages: the unused other languages are as large as the rest of Zod. */
const englishZod: Plugin = {
  name: "english-zod",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ resolveDir }) =>
      resolveDir.includes(join("node_modules", "zod"))
        ? { path: join(resolveDir, "..", "locales", "en.js") }
        : undefined,
    );
  },
};

/**
 * Bundles the command line and the library into `outdir`: `cli.js`, `index.js` and the library's other entries,
 * `chunks/` with the code that these share or load later, source maps, and the licences of the bundled packages.
 */
export async function bundle(outdir: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [
      { in: "src/cli/main.ts", out: "cli" },
      ...["index", "index-train", "index-lab", "index-search"].map((name) => ({ in: `src/${name}.ts`, out: name })),
    ],
    outdir,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "node20.12",
    external: await external(),
    plugins: [englishZod],
    chunkNames: "chunks/[name]-[hash]",
    // Without minification, stack traces are readable. Source maps without the sources are a quarter of the size, and
    // still contain line numbers.
    sourcemap: true,
    sourcesContent: false,
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

/** Bundles into another folder, then renames it, so that kills and concurrent processes leave no partial bundle. */
export async function bundleOnce(outdir: string): Promise<void> {
  const aside = `${outdir}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(outdir), { recursive: true });
    await bundle(aside);
    await rename(aside, outdir);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    // Another process finished first.
    if (!existsSync(outdir)) throw error;
  }
  await sweep(dirname(outdir));
}

/** Deletes bundles older than a day. Younger ones stay, since running processes may still load parts of them. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const { mtimeMs } = await stat(join(folder, name));
    if (Date.now() - mtimeMs > 86_400_000) await rm(join(folder, name), { recursive: true, force: true });
  }
}
