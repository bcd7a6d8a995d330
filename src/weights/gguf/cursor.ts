import type { Buffer } from "node:buffer";
import { UserError } from "../../util/errors.ts";
import { GgufStrings } from "./strings.ts";

/** Bytes with random access: a file or a buffer. Calls to `read` stay within `size`. */
export interface ByteSource {
  /** The path as the user gave it; it names the file in every error. */
  readonly path: string;
  readonly size: number;
  read(offset: number, length: number): Buffer;
}

/** More than most headers take (SmolLM2's takes 1.8 MB), so that one read is usually enough. */
const FIRST_READ = 2 * 2 ** 20;
/** The largest vocabularies take about 30 MB; a larger declared size indicates damage and must not exhaust memory. */
const MAX_HEADER = 128 * 2 ** 20;
/** Keys and names appear in messages and maps; the format allows keys of 65,535 bytes. */
const MAX_NAME = 65_535;
const QUOTED = 80;

/** A name for a message: escaped, and cut if it is too long. */
export function quote(name: string): string {
  const quoted = JSON.stringify(name);
  return quoted.length > QUOTED ? `${quoted.slice(0, QUOTED)}…"` : quoted;
}

/** Reads a header's little-endian fields in order. Every length is checked against the remaining bytes before any allocation. */
export class Cursor {
  position = 0;
  /** The part being read, which is the subject of every error message. */
  subject = "the header";
  private bytes: Buffer;
  private view: DataView;

  constructor(readonly source: ByteSource) {
    this.bytes = source.read(0, Math.min(FIRST_READ, source.size));
    this.view = viewOf(this.bytes);
  }

  fail(problem: string): never {
    throw new UserError(`${this.source.path}: ${this.subject} ${problem}`);
  }

  uint8(): number {
    const at = this.take(1);
    return this.view.getUint8(at);
  }

  int8(): number {
    const at = this.take(1);
    return this.view.getInt8(at);
  }

  uint16(): number {
    const at = this.take(2);
    return this.view.getUint16(at, true);
  }

  int16(): number {
    const at = this.take(2);
    return this.view.getInt16(at, true);
  }

  uint32(): number {
    const at = this.take(4);
    return this.view.getUint32(at, true);
  }

  int32(): number {
    const at = this.take(4);
    return this.view.getInt32(at, true);
  }

  /** Values above 2^53 are rounded to the nearest double: exact enough, because such sizes are rejected anyway. */
  uint64(): number {
    const at = this.take(8);
    return this.view.getUint32(at + 4, true) * 2 ** 32 + this.view.getUint32(at, true);
  }

  /** Rounded like `uint64`. */
  int64(): number {
    const at = this.take(8);
    return this.view.getInt32(at + 4, true) * 2 ** 32 + this.view.getUint32(at, true);
  }

  bigUint64(): bigint {
    const at = this.take(8);
    return this.view.getBigUint64(at, true);
  }

  bigInt64(): bigint {
    const at = this.take(8);
    return this.view.getBigInt64(at, true);
  }

  float32(): number {
    const at = this.take(4);
    return this.view.getFloat32(at, true);
  }

  float64(): number {
    const at = this.take(8);
    return this.view.getFloat64(at, true);
  }

  /** Reads the number of `things` that follow, each of which takes at least `itemBytes`. */
  count(things: string, itemBytes: number, most = Number.POSITIVE_INFINITY): number {
    const count = this.uint64();
    const remaining = Math.max(0, Math.min(this.source.size, MAX_HEADER) - this.position);
    if (count * itemBytes > remaining)
      this.fail(`claims ${count} ${things}, but only ${remaining} bytes are left for them`);
    if (count > most) this.fail(`claims ${count} ${things}; the limit is ${most}`);
    return count;
  }

  /** A key or a tensor's name. */
  name(): string {
    return this.text(this.count("bytes of name", 1, MAX_NAME));
  }

  string(): string {
    return this.text(this.count("bytes of text", 1));
  }

  strings(count: number): GgufStrings {
    const begin = this.position;
    const starts = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) {
      const length = this.count("bytes of text", 1);
      starts[i] = this.take(length) - begin;
    }
    starts[count] = this.position - begin + 8;
    return new GgufStrings(this.bytes.subarray(begin, this.position), starts);
  }

  /** Copies bytes, so that typed arrays work at any offset in the file. */
  copy(length: number): ArrayBuffer {
    const at = this.take(length);
    return Uint8Array.prototype.slice.call(this.bytes, at, at + length).buffer as ArrayBuffer;
  }

  private text(length: number): string {
    const at = this.take(length);
    return this.bytes.toString("utf8", at, at + length);
  }

  /** Skips `length` loaded bytes; returns their offset. */
  private take(length: number): number {
    const at = this.position;
    if (at + length > this.bytes.length) this.load(at + length);
    this.position = at + length;
    return at;
  }

  private load(end: number): void {
    const { size } = this.source;
    if (end > size) this.fail(`is cut off: it needs the bytes up to ${end}, but the file ends at ${size}`);
    if (end > MAX_HEADER) this.fail(`is beyond byte ${MAX_HEADER}, the limit for headers`);
    this.bytes = this.source.read(0, Math.min(size, Math.max(end, 2 * this.bytes.length)));
    this.view = viewOf(this.bytes);
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
