import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { makeFolders } from "../../../../util/make-folders.ts";
import { writeError } from "../../../../util/system-errors.ts";
import { statesFolder } from "../../../../weights/sources/index.ts";
import { TEACHER_TOP } from "../options.ts";
import { BlockFile } from "./block-file.ts";

/** Identifies the states of all layers. */
export interface StatesKey {
  /** The hash of the model's file. */
  readonly modelSha256: string;
  /** The model's weight form. */
  readonly quant: string;
  /** The hash of the rows' tokens. */
  readonly dataSha256: string;
  /** Tokens per row. */
  readonly block: number;
}

/** The folder of these states under MODICUM_HOME. */
export const statesIn = ({ modelSha256, quant, dataSha256, block }: StatesKey): string =>
  path.join(statesFolder(), `${modelSha256.slice(0, 16)}-${quant}-${dataSha256.slice(0, 16)}-${block}`);

const TEACHER = "teacher";

/** The files of states, each with the number of bytes that a row takes. */
const filesOf = ({ block }: Pick<StatesKey, "block">, hidden: number, layers: readonly number[]) => [
  ...layers.map((layer) => [layerName(layer), 2 * block * hidden] as const),
  [TEACHER, 4 * block * TEACHER_TOP] as const,
];

/** The number of rows that are stored for all of `layers`. */
export function keptRows(key: StatesKey, hidden: number, layers: readonly number[]): number {
  const rows = filesOf(key, hidden, layers).map(([name, bytes]) => {
    const file = path.join(statesIn(key), name);
    return existsSync(file) ? Math.floor(statSync(file).size / bytes) : 0;
  });
  return Math.min(...rows);
}

/**
 * Files under MODICUM_HOME with a model's stream after some layers, over all rows of a corpus, and its likeliest tokens
 * after each position. Each row is one block per file, so that an interrupted run can resume, and a later run can add
 * layers.
 */
export class StateCache implements Disposable {
  readonly #files: ReadonlyMap<string, BlockFile>;

  constructor(
    readonly block: number,
    readonly hidden: number,
    readonly layers: readonly number[],
    readonly folder: string,
  ) {
    try {
      makeFolders(folder);
    } catch (error) {
      throw writeError(error, folder);
    }
    const files = filesOf({ block }, hidden, layers);
    this.#files = new Map(files.map(([name, bytes]) => [name, new BlockFile(path.join(folder, name), bytes)]));
  }

  /** A name that is unique to these states. */
  get name(): string {
    return path.basename(this.folder);
  }

  /** Opens the cache of these states. @throws UserError if writing fails */
  static of(key: StatesKey, hidden: number, layers: readonly number[]): StateCache {
    return new StateCache(key.block, hidden, layers, statesIn(key));
  }

  /** Truncates all files with fewer than `rows` rows to the length of the shortest; returns that length in rows. */
  begin(rows: number): number {
    const short = [...this.#files.values()].filter(({ blocks }) => blocks < rows);
    const first = Math.min(rows, ...short.map(({ blocks }) => blocks));
    for (const file of short) file.truncate(first);
    return first;
  }

  /**
   * Appends row `row`: the stream after each layer in half precision, [block, hidden], and likeliest tokens, [block,
   * TEACHER_TOP].
   */
  add(row: number, streams: ReadonlyMap<number, Uint16Array>, teacher: Int32Array): void {
    for (const [layer, stream] of streams) this.#append(layerName(layer), row, stream);
    this.#append(TEACHER, row, teacher);
  }

  #append(name: string, row: number, { buffer, byteOffset, byteLength }: Uint16Array | Int32Array): void {
    const file = this.#files.get(name)!;
    if (file.blocks === row) file.append(new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** Reads a row of a layer's stream, in half precision, to the start of `into`. */
  readLayer(layer: number, row: number, into: Uint16Array): void {
    this.#files.get(layerName(layer))!.read(row, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
  }

  /** The likeliest tokens after each position of a row, the likeliest first, [block, TEACHER_TOP]. */
  teacher(row: number): Int32Array {
    const tokens = new Int32Array(this.block * TEACHER_TOP);
    this.#files.get(TEACHER)!.read(row, new Uint8Array(tokens.buffer));
    return tokens;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files.values()) file[Symbol.dispose]();
  }
}

const layerName = (layer: number): string => `layer-${layer}`;
