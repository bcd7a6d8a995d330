import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LIBRARIES, LIBRARIES_IN_CLONE } from "../src/runtime/ort/library.ts";
import { markdownTable, root, writeSection } from "./section.ts";

// The machines that each dependency with machine code supports, for the deployment page: `npx tsx tools/machines.ts`.

export const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "win32-x64", "win32-arm64"];

interface Locked {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

interface Native {
  readonly name: string;
  /** The features that need the dependency. */
  readonly use: string;
  /** The names of the dependency's build packages. */
  readonly builds: RegExp;
}

const natives: readonly Native[] = [
  { name: "koffi", use: "all", builds: /^@koromix\/koffi-/ },
  { name: "libsql", use: "downloads, receipts, indexes", builds: /^@libsql\// },
  { name: "sharp", use: "images", builds: /^@img\/sharp(?!-libvips)-/ },
  { name: "msgpackr-extract", use: "queues, which are slower without it", builds: /^@msgpackr-extract\// },
];

/** Builds that are part of another build. */
const PARTS = /^@img\/sharp-libvips-/;

const locked: Readonly<Record<string, Locked>> = JSON.parse(
  readFileSync(join(root, "package-lock.json"), "utf8"),
).packages;

/** Platform-specific builds among the packages that users install, by name. */
const builds = Object.entries(locked)
  .filter(([, { dev, devOptional, os, cpu }]) => !dev && !devOptional && os?.length === 1 && cpu?.length === 1)
  .map(([path, { os, cpu }]) => ({ name: path.replace(/^.*node_modules\//, ""), platform: `${os![0]}-${cpu![0]}` }));

/** Builds that belong to no dependency of the table. */
export const strayBuilds = (): readonly string[] =>
  builds
    .map(({ name }) => name)
    .filter((name) => !PARTS.test(name) && !natives.some((native) => native.builds.test(name)));

/** The platforms of each dependency. */
export function served(): ReadonlyMap<string, { readonly use: string; readonly platforms: ReadonlySet<string> }> {
  const libraries = Object.entries(LIBRARIES).filter(([, file]) => existsSync(join(root, LIBRARIES_IN_CLONE, file)));
  const runtime = { use: "all", platforms: new Set(libraries.map(([platform]) => platform)) };
  const others = natives.map(({ name, use, builds: ofDependency }) => {
    const own = builds.filter((build) => ofDependency.test(build.name));
    return [name, { use, platforms: new Set(own.map(({ platform }) => platform)) }] as const;
  });
  return new Map([["onnxruntime-node", runtime], ...others]);
}

export const machinesTable = (): string =>
  markdownTable(
    ["dependency", "needed for", ...PLATFORMS.map((platform) => `\`${platform}\``)],
    [...served()].map(([name, { use, platforms }]) => [
      ...[`\`${name}\``, use],
      ...PLATFORMS.map((platform) => (platforms.has(platform) ? "yes" : "no")),
    ]),
  );

if (process.argv[1] === import.meta.filename) writeSection("docs/deploy.md", "machines", machinesTable());
