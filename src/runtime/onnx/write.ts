import { type FileHandle, open, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Constant, ConstantData } from "../../graph/graph.ts";
import { type Encodable, encodeOnnx } from "./encode.ts";

/** Tensors begin on a page, as ONNX requires for mapped data. */
const PAGE = 4096;
/** Bytes read and written at a time. */
const CHUNK = 2 ** 23;

export interface WriteOptions {
  /** Aborts writing between two chunks; the signal's reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes written and the total. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

interface Move {
  readonly from: string;
  readonly offset: number;
  readonly bytes: number;
  readonly to: number;
}

/** The file with all mapped constants. */
const DATA = "model.onnx.data";

/** Graphs as files, and one `model.onnx.data` with all their mapped constants. */
export interface Portable {
  /** Graphs by file name. */
  readonly graphs: Readonly<Record<string, Encodable>>;
  readonly moves: readonly Move[];
  /** Length of the data file. */
  readonly bytes: number;
}

/**
 * Lays out the graphs' mapped constants, without the rest of their source files, in one file in `folder`. Constants
 * that graphs share, and equal bytes in two shapes, are stored once.
 */
export function portable(graphs: Readonly<Record<string, Encodable>>, folder: string): Portable {
  const moves: Move[] = [];
  let end = 0;
  const place = ({ path: from, offset, bytes }: Extract<ConstantData, { kind: "file" }>): number => {
    const known = moves.find((m) => m.from === from && m.offset === offset && m.bytes === bytes);
    if (known) return known.to;
    const to = Math.ceil(end / PAGE) * PAGE;
    moves.push({ from, offset, bytes, to });
    end = to + bytes;
    return to;
  };
  const moved = (constant: Constant): Constant => {
    const { data } = constant;
    if (data.kind === "memory") return constant;
    return { ...constant, data: { ...data, path: path.join(folder, DATA), offset: place(data) } };
  };
  const placed = Object.entries(graphs).map(([name, graph]) => {
    return [name, { ...graph, constants: graph.constants.map(moved) }] as const;
  });
  return { graphs: Object.fromEntries(placed), moves, bytes: end };
}

/** Writes all files into an empty folder, in chunks, for weights of any size. @throws the system's error when a write fails */
export async function writeOnnx({ graphs, moves, bytes }: Portable, folder: string, options: WriteOptions) {
  await using out = await open(path.join(folder, DATA), "wx");
  const buffer = new Uint8Array(Math.min(CHUNK, bytes));
  for (const move of moves) await copy(move, out, buffer, (done) => options.onProgress?.(done, bytes), options.signal);
  for (const [name, graph] of Object.entries(graphs)) await writeFile(path.join(folder, name), encodeOnnx(graph));
}

async function copy(
  { from, offset, bytes, to }: Move,
  out: FileHandle,
  buffer: Uint8Array,
  report: (done: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using source = await open(from, "r");
  for (let done = 0; done < bytes; ) {
    signal?.throwIfAborted();
    const length = Math.min(buffer.length, bytes - done);
    const { bytesRead } = await source.read(buffer, 0, length, offset + done);
    if (bytesRead === 0) throw new Error(`${from} is cut off: ${bytes - done} bytes of a tensor are missing`);
    await out.write(buffer, 0, bytesRead, to + done);
    done += bytesRead;
    report(to + done);
  }
}
