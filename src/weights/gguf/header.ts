import { type ByteSource, Cursor } from "./cursor.ts";
import { type Metadata, readMetadata } from "./metadata.ts";
import { type GgufTensor, placeTensors, readTensors } from "./tensors.ts";

/** The header of a file, or of a split file's first part, with the tensors of all parts. */
export interface GgufFile {
  path: string;
  /** The paths of the file and, if it is split, of the other parts. */
  files: string[];
  version: number;
  /** The file's length in bytes. */
  size: number;
  metadata: Metadata;
  /** Tensors by name, in the order of the file and of its parts. */
  tensors: Map<string, GgufTensor>;
  /** The offset of the data section, in bytes from the start of the file. */
  dataOffset: number;
  alignment: number;
}

const DEFAULT_ALIGNMENT = 32;
/** The size of a key's length, a type and a value of one byte. */
const MIN_ENTRY = 8 + 4 + 1;
/** The size of a name's length, a number of dimensions, a type and an offset. */
const MIN_TENSOR = 8 + 4 + 4 + 8;
/** A limit over a hundred times the entries of any model, so that a damaged count cannot fill memory. */
const MAX_ENTRIES = 2 ** 20;

/**
 * Reads the header of a little-endian GGUF file, version 2 or 3 (ggml's docs/gguf.md).
 * @throws UserError that names the file and the malformed field; memory stays within a small multiple of the header's
 * true length
 */
export function parseGguf(source: ByteSource): GgufFile {
  const cursor = new Cursor(source);
  checkMagic(cursor);
  const version = readVersion(cursor);
  const tensorCount = cursor.count("tensors", MIN_TENSOR, MAX_ENTRIES);
  const metadata = readMetadata(cursor, cursor.count("metadata entries", MIN_ENTRY, MAX_ENTRIES));
  const infos = readTensors(cursor, tensorCount);
  const alignment = readAlignment(cursor, metadata);
  const dataOffset = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = placeTensors(cursor, infos, dataOffset, alignment);
  const { path } = source;
  return { path, files: [path], version, size: source.size, metadata, tensors, dataOffset, alignment };
}

function checkMagic(cursor: Cursor): void {
  cursor.subject = "this";
  const start = cursor.source.read(0, Math.min(4, cursor.source.size)).toString("latin1");
  if (start !== "GGUF") cursor.fail(`is not a GGUF file: it begins with ${JSON.stringify(start)}, expected "GGUF"`);
  cursor.subject = "the header";
  cursor.position = 4;
}

function readVersion(cursor: Cursor): number {
  const version = cursor.uint32();
  if (version !== 0 && version % 2 ** 16 === 0)
    cursor.fail("is big-endian; only little-endian GGUF files are supported");
  if (version !== 2 && version !== 3) cursor.fail(`says GGUF version ${version}, expected 2 or 3`);
  return version;
}

function readAlignment(cursor: Cursor, metadata: Metadata): number {
  const alignment = metadata.integer("general.alignment", DEFAULT_ALIGNMENT);
  if (alignment > 0 && Number.isInteger(Math.log2(alignment))) return alignment;
  cursor.subject = 'metadata "general.alignment"';
  return cursor.fail(`is ${alignment}, expected a power of two`);
}
