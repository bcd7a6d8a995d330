import type { Buffer } from "node:buffer";

/** The length of a string's length prefix, in bytes. */
const PREFIX = 8;

/**
 * An array of strings as stored in the file. A vocabulary has 100,000 strings, which many callers never read, so
 * strings are decoded on first use. Bytes that are not UTF-8 become U+FFFD.
 */
export class GgufStrings {
  private decoded: string[] | undefined;

  /** String i occupies `bytes` from `starts[i]` to `starts[i + 1] - 8`. */
  constructor(
    private readonly bytes: Buffer,
    private readonly starts: Uint32Array,
  ) {}

  get length(): number {
    return this.starts.length - 1;
  }

  toArray(): readonly string[] {
    this.decoded ??= decode(this.bytes, this.starts);
    return this.decoded;
  }
}

function decode(bytes: Buffer, starts: Uint32Array): string[] {
  const strings = new Array<string>(starts.length - 1);
  for (let i = 0; i < strings.length; i++) strings[i] = bytes.toString("utf8", starts[i], starts[i + 1]! - PREFIX);
  return strings;
}
