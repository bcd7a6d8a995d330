import { webcrypto } from "node:crypto";
import { access, readdir, readFile, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { makeFolders } from "../../../util/make-folders.ts";
import { writeError } from "../../../util/system-errors.ts";
import { fillWhole } from "../../../util/write-whole.ts";

/** The number of bytes in a SHA-256, which follows the contents of each file. */
const DIGEST = 32;

/** The maximum number of chunks in memory that wait for the disk; further ones are not written. */
const WAITING = 8;

/** The fraction of the limit that is written before the folder's size is checked, and that the check leaves free. */
const SPARE = 0.05;

/**
 * A folder of chunks of prompts, shared by all models of a server, within a limit in bytes. The least recently used
 * chunks are deleted first.
 */
export class PrefixFolder {
  #writing: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Bytes written since the last check of the folder's size. */
  #unseen = Number.POSITIVE_INFINITY;
  #failed = false;

  constructor(
    private readonly folder: string,
    private readonly limit: number,
    private readonly onNotice: (sentence: string) => void = () => {},
  ) {}

  /** Resolves when all chunks are written. */
  get written(): Promise<void> {
    return this.#writing;
  }

  async has(name: string): Promise<boolean> {
    return access(this.#file(name)).then(
      () => true,
      () => false,
    );
  }

  /** A chunk's contents; undefined if it is not on disk. A damaged file is deleted. */
  async read(name: string, bytes: number): Promise<Uint8Array | undefined> {
    const file = await readFile(this.#file(name)).catch(() => undefined);
    if (!file) return undefined;
    const contents = file.subarray(0, bytes);
    if (file.length === bytes + DIGEST && file.subarray(bytes).equals(await digestOf(contents))) return contents;
    await rm(this.#file(name), { force: true });
    return undefined;
  }

  /** Marks a chunk as used. */
  async touch(name: string, used: Date): Promise<void> {
    // Another server may have deleted the file.
    await utimes(this.#file(name), used, used).catch(() => {});
  }

  /** Writes a chunk once the earlier chunks are written. */
  keep(name: string, contents: Uint8Array, used: Date): void {
    if (this.#waiting >= WAITING) return;
    this.#waiting++;
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#write(name, contents, used);
      } catch (error) {
        const fault = writeError(error, this.folder);
        if (!this.#failed) this.onNotice(fault instanceof Error ? fault.message : String(fault));
        this.#failed = true;
      } finally {
        this.#waiting--;
      }
    });
  }

  async #write(name: string, contents: Uint8Array, used: Date): Promise<void> {
    const digest = await digestOf(contents);
    makeFolders(this.folder);
    await fillWhole(
      this.#file(name),
      async (part) => {
        await part.writeFile(contents);
        await part.writeFile(digest);
      },
      0o600,
    );
    await this.touch(name, used);
    this.#unseen += contents.length + DIGEST;
    if (this.#unseen > SPARE * this.limit) await this.#bound();
  }

  /** Deletes the least recently used chunks until there is enough room. */
  async #bound(): Promise<void> {
    const names = await readdir(this.folder);
    const found = await Promise.all(
      names.map(async (name) => {
        const known = await stat(this.#file(name)).catch(() => undefined);
        return { name, size: known?.size ?? 0, used: known?.mtimeMs ?? 0 };
      }),
    );
    let bytes = found.reduce((sum, { size }) => sum + size, 0);
    for (const { name, size } of found.sort((a, b) => a.used - b.used)) {
      if (bytes <= (1 - SPARE) * this.limit) break;
      await rm(this.#file(name), { force: true });
      bytes -= size;
    }
    this.#unseen = 0;
  }

  #file(name: string): string {
    return path.join(this.folder, name);
  }
}

/** Computes a digest in another thread. */
const digestOf = async (bytes: Uint8Array): Promise<Uint8Array> =>
  new Uint8Array(await webcrypto.subtle.digest("SHA-256", bytes));
