import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { link, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { codeOf, writeError } from "../../util/system-errors.ts";
import { hubFolder } from "./home.ts";

/**
 * The folder of one repository in the cache shared by all hub clients: `blobs/<etag>` hold contents, `refs/<revision>`
 * a commit, and `snapshots/<commit>/<path>` are links to blobs.
 */
const repoFolder = (repo: string): string =>
  join(hubFolder(), (isDataset(repo) ? repo : `models/${repo}`).replaceAll("/", "--"));

/** Data sets are called `datasets/owner/name`, as in the hub's addresses. */
export const isDataset = (repo: string): boolean => /^datasets\/[^/]+\/./.test(repo);

export const blobPath = (repo: string, etag: string): string => join(repoFolder(repo), "blobs", etag);

export const snapshotFolder = (repo: string, commit: string): string => join(repoFolder(repo), "snapshots", commit);

/** @throws UserError if contents would be written outside the cache */
export function checkBlobs(repo: string): void {
  const blobs = join(repoFolder(repo), "blobs");
  if (existsSync(blobs)) refuseEscape(blobs, repoFolder(repo));
}

/** The lock that Modicum's processes hold while downloading into the repository. */
export const repoLock = (repo: string): string =>
  join(hubFolder(), ".locks", basename(repoFolder(repo)), "modicum.lock");

const commitPattern = /^[0-9a-f]{40}$/;

/** The last commit seen on this machine for a revision, if any. */
export function knownCommit(repo: string, revision: string): string | undefined {
  if (commitPattern.test(revision)) return revision;
  try {
    const text = readFileSync(join(repoFolder(repo), "refs", revision), "utf8").trim();
    return commitPattern.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The paths of the files in a snapshot, with `/`; empty without a snapshot. */
export async function snapshotFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => !entry.isDirectory());
  return files.map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"));
}

/** Creates a snapshot whose files are in the blobs, and records it under the revision. */
export async function writeSnapshot(
  repo: string,
  revision: string,
  commit: string,
  files: readonly { path: string; etag: string }[],
): Promise<void> {
  const folder = snapshotFolder(repo, commit);
  try {
    for (const { path, etag } of files) await pointTo(blobPath(repo, etag), join(folder, path));
    if (revision === commit) return;
    const ref = join(repoFolder(repo), "refs", revision);
    makeFolders(dirname(ref));
    await writeFile(`${ref}.tmp`, commit);
    await rename(`${ref}.tmp`, ref);
  } catch (error) {
    throw writeError(error, folder);
  }
}

/** Creates a relative link, so that the cache can be moved; a hard link if the system does not allow symbolic ones. */
async function pointTo(blob: string, path: string): Promise<void> {
  makeFolders(dirname(path));
  refuseEscape(dirname(path));
  const aside = `${path}.tmp`;
  await rm(aside, { force: true });
  await symlink(relative(dirname(path), blob), aside).catch((error: unknown) => {
    if (codeOf(error) === "EPERM") return link(blob, aside);
    throw error;
  });
  await rename(aside, path);
}

/** @throws UserError if a path in a repository's folder leads outside */
export function refuseEscape(path: string, repo: string = repoOf(path)): void {
  const real = realpathSync(path);
  if (!`${real}${sep}`.startsWith(`${realpathSync(repo)}${sep}`))
    throw new UserError(`${path} leads to ${real}, outside the hub's cache; refused`);
}

/** The repository folder of a path in a snapshot. */
const repoOf = (path: string): string => /^(.*)[\\/]snapshots[\\/][0-9a-f]{40}([\\/]|$)/.exec(path)?.[1] ?? path;

/**
 * The size of a file in a snapshot, following its link; undefined if it is missing.
 * @throws UserError for a link that leads outside
 */
export function snapshotBytes(path: string): number | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  refuseEscape(path);
  return found.size;
}

/** Removes a snapshot's files, contents that no other snapshot uses, and then the repository if it is empty. */
export async function dropFromSnapshot(files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const repo = repoOf(files[0]!);
  const snapshots = join(repo, "snapshots");
  const blobs = new Set(files.map(blobOf).filter((blob) => blob?.startsWith(join(repo, "blobs") + sep)));
  for (const file of files) await rm(file, { force: true });
  const remaining = await snapshotFiles(snapshots);
  for (const file of remaining) blobs.delete(blobOf(join(snapshots, file)));
  for (const blob of blobs) await rm(blob!, { force: true });
  if (remaining.length === 0) await rm(repo, { recursive: true, force: true });
}

/** Removes a repository's partial downloads; returns whether there were any. */
export async function dropParts(repo: string): Promise<boolean> {
  const blobs = join(repoFolder(repo), "blobs");
  const parts = (await readdir(blobs).catch(() => [])).filter((name) => name.endsWith(".part"));
  for (const name of parts) await rm(join(blobs, name), { force: true });
  return parts.length > 0;
}

/** The target of a snapshot's link, computed from the link's text alone. */
function blobOf(file: string): string | undefined {
  const found = lstatSync(file, { throwIfNoEntry: false });
  return found?.isSymbolicLink() ? resolve(dirname(file), readlinkSync(file)) : undefined;
}
