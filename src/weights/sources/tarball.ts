import { createReadStream } from "node:fs";
import { basename, posix } from "node:path";
import { Readable } from "node:stream";
import { Parser, type ReadEntry } from "tar";
import { UserError } from "../../util/errors.ts";
import { type Archive, damaged } from "./archive.ts";
import { mostPlausible } from "./wheel.ts";

const kind = "npm package";

/** A package in npm's format: a gzipped tar. Paths are relative to the package. */
export function tarArchive(path: string): Archive {
  return {
    path,
    kind,
    async sizes() {
      const sizes = new Map<string, number>();
      await scan(path, async (name, entry) => {
        if (sizes.has(name)) throw damaged(path, kind, new Error(`two members are called ${name}`));
        sizes.set(name, entry.size);
        for await (const _chunk of entry);
      });
      return sizes;
    },
    read: (names, visit) =>
      scan(path, async (name, entry) => {
        if (names.includes(name)) await visit(name, Readable.from(entry, { objectMode: false }));
        else for await (const _chunk of entry);
      }),
  };
}

/** Passes every plain file of the tar to `visit`, in order; rejects links, and paths that lead outside. */
function scan(path: string, visit: (name: string, entry: ReadEntry) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let visits: Promise<void> = Promise.resolve();
    const fail = (error: unknown) => {
      input.destroy();
      reject(error instanceof UserError ? error : damaged(path, kind, error as Error));
    };
    const onReadEntry = (entry: ReadEntry) => {
      visits = visits.then(() => visit(soundName(path, entry), entry));
      visits.catch(fail);
    };
    const filter = (_path: string, entry: unknown) => (entry as ReadEntry).type !== "Directory";
    const parser = new Parser({ strict: true, maxDecompressionRatio: mostPlausible, filter, onReadEntry });
    const input = createReadStream(path);
    input.on("error", fail);
    parser.on("error", fail);
    parser.on("end", () => void visits.then(resolve, fail));
    input.pipe(parser);
  });
}

function soundName(path: string, entry: ReadEntry): string {
  const name = entry.path;
  const refuse = (why: string) => new UserError(`${basename(path)} is not a valid ${kind}: ${name} ${why}`);
  if (entry.type !== "File" && entry.type !== "OldFile") throw refuse(`is a ${entry.type}, expected a plain file`);
  const leadsOut = name.startsWith("/") || name.includes("\\") || /^[a-z]:/i.test(name);
  if (leadsOut || posix.normalize(name).split("/").includes("..")) throw refuse("leads outside the package");
  // In npm's archives, everything is in one folder, usually `package`; its name does not matter.
  return name.split("/").slice(1).join("/");
}
