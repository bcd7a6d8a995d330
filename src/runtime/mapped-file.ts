import { closeSync, fstatSync, openSync } from "node:fs";
import { libc } from "./libc.ts";
import type { Pointer } from "./ort/api.ts";
import { giveBack } from "./pages.ts";

// Constants of sys/mman.h, equal on Linux and macOS.
const PROT_READ = 1;
const MAP_PRIVATE = 2;
const FAILED = BigInt.asUintN(64, -1n);

/** True if this system's C library maps files the POSIX way; Windows' does not. */
export const mapsFiles = process.platform !== "win32";

const MMAP = "void *mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset)";
const MUNMAP = "int munmap(void *address, size_t length)";

/** A file mapped as memory: the system reads pages on access, and may drop and reread them. */
export class MappedFile implements Disposable {
  readonly #address: Pointer;
  readonly #bytes: number;
  #mapped = true;

  /** Throws if the file cannot be mapped. */
  constructor(readonly path: string) {
    const fd = openSync(path, "r");
    try {
      this.#bytes = fstatSync(fd).size;
      this.#address = libc(MMAP)(null, this.#bytes, PROT_READ, MAP_PRIVATE, fd, 0) as Pointer;
    } finally {
      closeSync(fd);
    }
    if (this.#address === FAILED) throw new Error(`${path} cannot be mapped`);
  }

  /** The address of `bytes` bytes at `offset`; valid until the file is disposed of. */
  at(offset: number, bytes: number): Pointer {
    if (!this.#mapped || offset + bytes > this.#bytes)
      throw new RangeError(`${this.path}: nothing is mapped at ${offset} to ${offset + bytes}`);
    return this.#address + BigInt(offset);
  }

  /** Drops pages already read, if the system supports it; the next access reads them again. */
  drop(): void {
    giveBack(this.#address, this.#bytes);
  }

  [Symbol.dispose](): void {
    if (this.#mapped) libc(MUNMAP)(this.#address, this.#bytes);
    this.#mapped = false;
  }
}
