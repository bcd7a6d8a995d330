import type { KvRows } from "../../../models/state/cache.ts";

/** A chunk of whole query blocks in one layer's cache. The first `tokens` are real, the rest zeros. */
export interface Chunk {
  readonly cache: KvRows;
  readonly layer: number;
  /** Tokens before the chunk: a multiple of the block size. */
  readonly past: number;
  readonly tokens: number;
}

/** Query blocks of a chunk. */
export const rowsOf = (chunk: Chunk, blockSize: number): number => Math.ceil(chunk.tokens / blockSize);

/** Key blocks up to the chunk's end. */
export const colsOf = (chunk: Chunk, blockSize: number): number => chunk.past / blockSize + rowsOf(chunk, blockSize);
