import { type Cursor, quote } from "./cursor.ts";
import { byteLength, GGML_TYPES, type GgmlType, ggmlType } from "./types.ts";

export interface GgufTensor {
  /** The file that holds the tensor; a split file's tensors are in different files. */
  path: string;
  name: string;
  type: GgmlType;
  /** Row-major, outermost first: ggml's `ne` reversed. Empty for a scalar. */
  shape: number[];
  /** The offset of the data, in bytes from the start of the file. */
  offset: number;
  /** The length of the data, in bytes. */
  bytes: number;
}

const MAX_DIMENSIONS = 4;

/** Reads tensors in the file's order; `offset` is still relative to the start of the data section. */
export function readTensors(cursor: Cursor, count: number): GgufTensor[] {
  return Array.from({ length: count }, (_, i) => readTensorInfo(cursor, i));
}

function readTensorInfo(cursor: Cursor, index: number): GgufTensor {
  cursor.subject = `tensor ${index}`;
  const name = cursor.name();
  cursor.subject = `tensor ${quote(name)}`;
  const shape = readShape(cursor);
  const type = readTensorType(cursor, shape);
  const { path } = cursor.source;
  return { path, name, type, shape, offset: cursor.uint64(), bytes: byteLength(type, product(shape)) };
}

function readShape(cursor: Cursor): number[] {
  const dimensions = cursor.uint32();
  if (dimensions > MAX_DIMENSIONS) cursor.fail(`has ${dimensions} dimensions, expected at most ${MAX_DIMENSIONS}`);
  const shape = Array.from({ length: dimensions }, () => cursor.int64()).reverse();
  if (shape.some((size) => size < 1)) cursor.fail(`has the shape [${shape}], expected dimensions of at least 1`);
  if (!Number.isSafeInteger(product(shape))) cursor.fail(`has the shape [${shape}], whose product overflows`);
  return shape;
}

function readTensorType(cursor: Cursor, shape: number[]): GgmlType {
  const id = cursor.uint32();
  const type = ggmlType(id) ?? cursor.fail(`has the unknown type ${id}`);
  const row = shape.at(-1) ?? 1;
  const { block } = GGML_TYPES[type];
  if (row % block !== 0) cursor.fail(`has rows of ${row} weights, which are not whole ${type} blocks of ${block}`);
  return type;
}

function product(shape: number[]): number {
  return shape.reduce((total, size) => total * size, 1);
}

/** Computes the tensors' positions; checks that each is inside the file, aligned and unique, without overlap. */
export function placeTensors(
  cursor: Cursor,
  infos: GgufTensor[],
  dataOffset: number,
  alignment: number,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos) {
    cursor.subject = `tensor ${quote(info.name)}`;
    const tensor = { ...info, offset: dataOffset + info.offset };
    checkPlace(cursor, tensor, info.offset, alignment);
    if (tensors.has(info.name)) cursor.fail("appears twice");
    tensors.set(info.name, tensor);
  }
  checkApart(cursor, [...tensors.values()]);
  return tensors;
}

function checkPlace(cursor: Cursor, { offset, bytes }: GgufTensor, relative: number, alignment: number): void {
  const { size } = cursor.source;
  if (offset + bytes > size) cursor.fail(`takes bytes ${offset} to ${offset + bytes}, but the file ends at ${size}`);
  if (relative % alignment !== 0) {
    cursor.fail(`begins ${relative} bytes into the data, which is not a multiple of the alignment ${alignment}`);
  }
}

function checkApart(cursor: Cursor, tensors: GgufTensor[]): void {
  tensors.sort((a, b) => a.offset - b.offset);
  for (const [i, tensor] of tensors.entries()) {
    const before = tensors[i - 1];
    if (before === undefined || before.offset + before.bytes <= tensor.offset) continue;
    cursor.subject = `tensor ${quote(tensor.name)}`;
    cursor.fail(`overlaps tensor ${quote(before.name)} at byte ${tensor.offset}`);
  }
}
