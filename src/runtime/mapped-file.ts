import { closeSync, fstatSync, openSync } from "node:fs";
import koffi from "koffi";
import type { Pointer } from "./ort/api.ts";

// Of sys/mman.h, alike on Linux and macOS.
const PROT_READ = 1;
const MAP_PRIVATE = 2;
const MADV_DONTNEED = 4;
const FAILED = BigInt.asUintN(64, -1n);

/** Whether this system's C library maps files as POSIX has it; Windows' does not. */
export const mapsFiles = process.platform !== "win32";

const declarations = {
  mmap: "void *mmap(void *address, size_t length, int protection, int flags, int file, int64_t offset)",
  munmap: "int munmap(void *address, size_t length)",
  madvise: "int madvise(void *address, size_t length, int advice)",
} as const;
type Callable = (...args: (Pointer | number | null)[]) => unknown;

const known = new Map<string, Callable>();

/** A function of the C library, which the process has loaded. */
function libc(name: keyof typeof declarations): Callable {
  const found = known.get(name) ?? (koffi.load(null).func(declarations[name]) as Callable);
  known.set(name, found);
  return found;
}

/** A file's bytes as memory that is read when it is touched, and that the system may drop and read again. */
export class MappedFile implements Disposable {
  readonly #address: Pointer;
  readonly #bytes: number;
  #mapped = true;

  /** Throws where it cannot be mapped. */
  constructor(readonly path: string) {
    const fd = openSync(path, "r");
    try {
      this.#bytes = fstatSync(fd).size;
      this.#address = libc("mmap")(null, this.#bytes, PROT_READ, MAP_PRIVATE, fd, 0) as Pointer;
    } finally {
      closeSync(fd);
    }
    if (this.#address === FAILED) throw new Error(`${path} cannot be mapped`);
  }

  /** Where `bytes` from `offset` on are; valid until it is disposed of. */
  at(offset: number, bytes: number): Pointer {
    if (!this.#mapped || offset + bytes > this.#bytes)
      throw new RangeError(`${this.path}: nothing is mapped at ${offset} to ${offset + bytes}`);
    return this.#address + BigInt(offset);
  }

  /** Lets go of what was read; what is touched again is read again. */
  drop(): void {
    libc("madvise")(this.#address, this.#bytes, MADV_DONTNEED);
  }

  [Symbol.dispose](): void {
    if (this.#mapped) libc("munmap")(this.#address, this.#bytes);
    this.#mapped = false;
  }
}
