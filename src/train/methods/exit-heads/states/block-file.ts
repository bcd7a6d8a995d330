import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { writeError } from "../../../../util/system-errors.ts";

/** A file of blocks of equal size, appended one after the other; ignores a partial last block. */
export class BlockFile implements Disposable {
  readonly #file: number;
  #blocks: number;

  /** @throws UserError if the file cannot be opened for writing */
  constructor(
    private readonly path: string,
    /** Bytes of a block. */
    private readonly bytes: number,
  ) {
    this.#file = this.#written(() => openSync(path, existsSync(path) ? "r+" : "w+"));
    this.#blocks = Math.floor(fstatSync(this.#file).size / bytes);
  }

  get blocks(): number {
    return this.#blocks;
  }

  /** Truncates the file to its first `blocks` blocks. */
  truncate(blocks: number): void {
    this.#written(() => ftruncateSync(this.#file, blocks * this.bytes));
    this.#blocks = blocks;
  }

  /** @throws UserError if writing fails */
  append(block: Uint8Array): void {
    this.#written(() => writeSync(this.#file, block, 0, this.bytes, this.#blocks * this.bytes));
    this.#blocks++;
  }

  /** Reads a block to the start of `into`. */
  read(block: number, into: Uint8Array): void {
    const got = readSync(this.#file, into, 0, this.bytes, block * this.bytes);
    if (got < this.bytes) throw new Error(`${this.path} has no block ${block}`);
  }

  #written<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
