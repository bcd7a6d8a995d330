import { createHash, type Hash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { nearest, UserError } from "../../util/errors.ts";
import { writeError } from "../../util/system-errors.ts";
import { ensureSpace, makeFolder } from "./disk.ts";

/** A package from a registry, as an archive; rejected as a whole if one of its paths leads outside. */
export interface Archive {
  path: string;
  /** The kind of archive in error messages, such as `wheel`. */
  kind: string;
  /** The number of bytes of every plain file in the archive, by path. @throws UserError */
  sizes(): Promise<ReadonlyMap<string, number>>;
  /** Passes the contents of each named file to `visit`, in the archive's order. @throws UserError */
  read(names: readonly string[], visit: (name: string, content: Readable) => Promise<void>): Promise<void>;
}

/** A file to extract from an archive. */
export interface Member {
  /** The file's path in the archive. */
  name: string;
  /** The target path; the contents are written to a temporary file, checked, then renamed. */
  to: string;
  /** The required SHA-256 of the file, in hex. */
  sha256?: string | undefined;
}

export interface Checksum {
  bytes: number;
  /** Hex. */
  sha256: string;
}

export const damaged = (path: string, kind: string, error: Error): UserError =>
  new UserError(`${basename(path)} is not a valid ${kind}: ${error.message}`);

/**
 * Extracts members from an archive, one by one.
 * @throws UserError if the archive is damaged; a member is missing, not a plain file, or has the wrong size or hash;
 * the disk is full; or any path in the archive leads outside
 */
export async function extractMembers(archive: Archive, members: Member[], signal?: AbortSignal): Promise<Checksum[]> {
  const sizes = await archive.sizes();
  const done = new Map<string, Checksum>();
  const wanted = new Map(members.map((member) => [find(archive, sizes, member.name), member]));
  const space = [...wanted.keys()].reduce((sum, name) => sum + sizes.get(name)!, 0);
  for (const { to } of members) await makeFolder(dirname(to));
  if (members[0]) await ensureSpace(dirname(members[0].to), space, basename(members[0].to));
  await archive.read([...wanted.keys()], async (name, content) => {
    const { to, sha256 } = wanted.get(name)!;
    const hash = await writeAside(
      archive,
      to,
      sha256,
      `${name} in ${basename(archive.path)}`,
      (write) => write(content),
      signal,
    );
    done.set(name, { bytes: sizes.get(name)!, sha256: hash });
  });
  return members.map(({ name }) => done.get(name)!);
}

/** Concatenates one member of each archive, in order, into one file. @throws UserError like `extractMembers` */
export async function joinMembers(
  pieces: readonly { archive: Archive; name: string }[],
  { to, sha256 }: Omit<Member, "name">,
  signal?: AbortSignal,
): Promise<Checksum> {
  let bytes = 0;
  for (const { archive, name } of pieces) {
    const sizes = await archive.sizes();
    bytes += sizes.get(find(archive, sizes, name))!;
  }
  await makeFolder(dirname(to));
  await ensureSpace(dirname(to), bytes, basename(to));
  const copy = async (write: (content: Readable) => Promise<void>) => {
    for (const { archive, name } of pieces) await archive.read([name], (_name, content) => write(content));
  };
  return {
    bytes,
    sha256: await writeAside(
      pieces[0]!.archive,
      to,
      sha256,
      `the file joined from ${pieces.length} packages`,
      copy,
      signal,
    ),
  };
}

function find(archive: Archive, sizes: ReadonlyMap<string, number>, name: string): string {
  if (sizes.has(name)) return name;
  throw new UserError(`${basename(archive.path)} has no file ${name}; ${nearby(name, sizes)}`);
}

/** Lists names by size, the largest first, because users usually look for a model's file. */
function nearby(name: string, sizes: ReadonlyMap<string, number>): string {
  const near = nearest(name, sizes.keys());
  if (near !== undefined) return `did you mean ${near}?`;
  const largest = [...sizes].sort((a, b) => b[1] - a[1]).slice(0, 5);
  return `its largest files are ${largest.map(([file]) => file).join(", ")}`;
}

/** Writes `to` atomically and syncs it to disk (its hash is checked only this once); returns the hash. */
async function writeAside(
  archive: Archive,
  to: string,
  sha256: string | undefined,
  what: string,
  copy: (write: (content: Readable) => Promise<void>) => Promise<void>,
  signal?: AbortSignal,
): Promise<string> {
  const aside = `${to}.tmp`;
  const hash = createHash("sha256");
  let flags = "w";
  try {
    await copy(async (content) => {
      const sink = createWriteStream(aside, { flush: true, flags });
      flags = "a";
      const closed = new Promise<void>((resolve) => sink.once("close", () => resolve()));
      try {
        await pipeline(content, (chunks) => hashed(chunks, hash), sink, { ...(signal && { signal }) });
      } finally {
        // Otherwise, a file whose writing stopped early could still be created after its removal.
        await closed;
      }
    });
    const digest = hash.digest("hex");
    if (sha256 !== undefined && digest !== sha256)
      throw new UserError(`${what} has SHA-256 ${digest}, expected ${sha256}`);
    await rename(aside, to);
    return digest;
  } catch (error) {
    await rm(aside, { force: true });
    throw explain(error, archive, to);
  }
}

async function* hashed(chunks: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

function explain(error: unknown, archive: Archive, to: string): unknown {
  if (error instanceof UserError || (error instanceof Error && error.name === "AbortError")) return error;
  const written = writeError(error, to);
  // All other errors are caused by the archive, such as a broken deflate stream or a wrong declared size.
  return written === error && error instanceof Error ? damaged(archive.path, archive.kind, error) : written;
}
