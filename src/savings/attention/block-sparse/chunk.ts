import type { KvRows } from "../../../models/state/cache.ts";

/** A chunk of whole query blocks in one layer's cache. The first `tokens` rows are real, the rest zeros. */
export interface Chunk {
  readonly cache: KvRows;
  readonly layer: number;
  /** The number of tokens before the chunk, a multiple of the block size. */
  readonly past: number;
  readonly tokens: number;
}

/** The number of query blocks in a chunk. */
export const rowsOf = (chunk: Chunk, blockSize: number): number => Math.ceil(chunk.tokens / blockSize);

/** The number of key blocks up to the chunk's end. */
export const colsOf = (chunk: Chunk, blockSize: number): number => chunk.past / blockSize + rowsOf(chunk, blockSize);
