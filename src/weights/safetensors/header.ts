import { UserError } from "../../util/errors.ts";
import type { StoredTensor } from "../checkpoint.ts";
import { quote } from "../gguf/cursor.ts";
import { utf8 } from "../json.ts";
import type { OpenFile } from "../read-file.ts";
import { bytesOf, type Dtype, dtypes, isDtype } from "./dtypes.ts";
import { Scanner } from "./scanner.ts";

/** A tensor in a safetensors file; `offset` is the start of its data, in bytes from the start of `file`. */
export interface SafeTensor extends StoredTensor {
  readonly type: Dtype;
  readonly file: string;
  readonly offset: number;
}

/** A tensor's entry in a header. */
interface Entry {
  dtype?: string;
  shape?: number[];
  data_offsets?: number[];
}

/** The maximum header size, which the format itself sets. */
const MAX_HEADER = 100_000_000;
/** The size of the header's length, a little-endian u64. */
const LENGTH_BYTES = 8;

/**
 * Reads the header of a safetensors file (the format's README): tensors by name, in the order of their data. Reads no
 * weights.
 * @throws UserError that names the file and the malformed tensor
 */
export function parseHeader(file: OpenFile): Map<string, SafeTensor> {
  const length = headerLength(file);
  const text = utf8(file.read(LENGTH_BYTES, length));
  if (text === undefined) throw new UserError(`${file.path}: the header is not UTF-8`);
  const dataOffset = LENGTH_BYTES + length;
  const tensors = readEntries(file.path, text)
    .map(([name, entry]) => place(file.path, name, entry, dataOffset))
    .sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkCover(file, tensors, dataOffset);
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}

function headerLength({ path, size, read }: OpenFile): number {
  if (size < LENGTH_BYTES) throw new UserError(`${path}: a safetensors file has at least 8 bytes, got ${size}`);
  const view = new DataView(read(0, LENGTH_BYTES).buffer);
  const length = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  const claim = `${path}: the header claims ${length} bytes`;
  if (length > MAX_HEADER) throw new UserError(`${claim}; the limit is ${MAX_HEADER}`);
  if (LENGTH_BYTES + length > size) throw new UserError(`${claim}, but the file has ${size} in all`);
  return length;
}

function readEntries(path: string, text: string): [name: string, entry: Entry][] {
  const scanner = new Scanner(path, text);
  const entries: [string, Entry][] = [];
  if (text[0] !== "{") scanner.fail('"{"');
  scanner.object((name) => {
    if (name === "__metadata__") scanner.object(() => scanner.string());
    else entries.push([name, readEntry(scanner)]);
  });
  scanner.end();
  return entries;
}

function readEntry(scanner: Scanner): Entry {
  const entry: Entry = {};
  scanner.object((key) => {
    if (key === "dtype") entry.dtype = scanner.string();
    else if (key === "shape" || key === "data_offsets") entry[key] = scanner.numbers();
    else scanner.fail("the value of dtype, shape or data_offsets");
  });
  return entry;
}

function place(
  path: string,
  name: string,
  { dtype, shape, data_offsets: span }: Entry,
  dataOffset: number,
): SafeTensor {
  const fail = (problem: string): never => {
    throw new UserError(`${path}: tensor ${quote(name)} ${problem}`);
  };
  if (!isDtype(dtype)) return fail(`has the dtype ${show(dtype)}, expected one of ${dtypes.join(", ")}`);
  if (!isSizes(shape)) return fail(`has the shape ${show(shape)}, expected whole numbers`);
  if (!isSizes(span) || span.length !== 2 || span[0]! > span[1]!)
    return fail(`has the data_offsets ${show(span)}, expected two whole numbers in order`);
  const [begin, end] = span as [number, number];
  const bytes = [...shape, bytesOf(dtype)].reduce(product, 1);
  if (Number.isNaN(bytes)) return fail(`has the shape ${show(shape)}, whose product overflows`);
  if (bytes !== end - begin)
    return fail(`of shape ${show(shape)} and dtype ${dtype} takes ${bytes} bytes, its data_offsets ${end - begin}`);
  return { name, type: dtype, shape, file: path, offset: dataOffset + begin, bytes };
}

/** NaN marks an overflow, even if a later factor is 0. */
const product = (total: number, size: number): number =>
  Number.isSafeInteger(total * size) ? total * size : Number.NaN;

const isSizes = (sizes: number[] | undefined): sizes is number[] =>
  sizes?.every((size) => Number.isSafeInteger(size) && size >= 0) ?? false;

function show(value: string | number[] | undefined): string {
  if (value === undefined) return "missing";
  return typeof value === "string" ? quote(value) : `[${value.slice(0, 8).join(", ")}${value.length > 8 ? ", …" : ""}]`;
}

/**
 * The sorted tensors must cover the data: each must begin at the end of the previous one, and the last must end at the
 * file's end.
 */
function checkCover({ path, size }: OpenFile, tensors: readonly SafeTensor[], dataOffset: number): void {
  let end = dataOffset;
  let before: SafeTensor | undefined;
  for (const tensor of tensors) {
    const subject = `${path}: tensor ${quote(tensor.name)}`;
    if (tensor.offset < end) throw new UserError(`${subject} overlaps tensor ${quote(before!.name)}`);
    if (tensor.offset > end) throw new UserError(`${subject} leaves a gap of ${tensor.offset - end} bytes before it`);
    end = tensor.offset + tensor.bytes;
    if (end > size) throw new UserError(`${subject} ends at byte ${end}, but the file ends at ${size}`);
    before = tensor;
  }
  if (end < size) throw new UserError(`${path}: ${size - end} unused bytes follow the last tensor`);
}
