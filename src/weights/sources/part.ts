import type { Hash } from "node:crypto";
import { constants, type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { writeError } from "../../util/system-errors.ts";
import { type Digest, startHash } from "./digest.ts";
import { makeFolder } from "./disk.ts";

/** The part of a file that has been downloaded so far, on disk, with its running hash. */
export class Part {
  /** The number of bytes so far. */
  bytes = 0;
  private hash: Hash;

  private constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly wanted: Digest,
  ) {
    this.hash = startHash(wanted);
  }

  /** Opens an earlier run's part at `path`, or an empty one, and hashes its bytes. */
  static async open(path: string, wanted: Digest): Promise<Part> {
    await makeFolder(dirname(path));
    const file = await open(path, constants.O_RDWR | constants.O_CREAT).catch((error: unknown) => {
      throw writeError(error, path);
    });
    const part = new Part(path, file, wanted);
    await part.hashExisting();
    return part;
  }

  private async hashExisting(): Promise<void> {
    for await (const chunk of this.file.createReadStream({ autoClose: false, start: 0, highWaterMark: 1 << 20 })) {
      this.count(chunk);
    }
  }

  private count(chunk: Uint8Array): void {
    this.hash.update(chunk);
    this.bytes += chunk.length;
  }

  /** The hash of the bytes so far, in hex. */
  digest(): string {
    return this.hash.copy().digest("hex");
  }

  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length; ) {
        at += (await this.file.write(chunk, at, chunk.length - at, this.bytes + at)).bytesWritten;
      }
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.count(chunk);
  }

  /** Discards all bytes. */
  async reset(): Promise<void> {
    await this.file.truncate(0);
    this.hash = startHash(this.wanted);
    this.bytes = 0;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
