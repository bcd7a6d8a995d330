import type { MaskRequest } from "./block-sparse/block-mask.ts";
import type { LastAttention } from "./last-attention.ts";

/**
 * A prompt's last attention rows as columns (heavy keys) and diagonals (heavy distances). MInference (arXiv 2407.02490)
 * and FlexPrefill (arXiv 2502.20766) both extrapolate them to all earlier queries.
 */
export interface VerticalSlash {
  /** Mean mass of each key, `[keys]`. */
  columns: Float64Array;
  /** Mean mass at each distance from query back to key, `[keys]`. */
  diagonals: Float64Array;
}

/** Column and diagonal means of one head. */
export function verticalSlash({ probabilities, queries, keys }: LastAttention, head: number): VerticalSlash {
  const columns = new Float64Array(keys);
  const diagonals = new Float64Array(keys);
  for (let i = 0; i < queries; i++) {
    const position = keys - queries + i;
    const row = (head * queries + i) * keys;
    for (let key = 0; key <= position; key++) {
      const mass = probabilities[row + key]! / queries;
      columns[key]! += mass;
      diagonals[position - key]! += mass;
    }
  }
  return { columns, diagonals };
}

/** Mass of each block of keys. */
export function poolColumns(columns: Float64Array, blockSize: number): Float64Array {
  const pooled = new Float64Array(Math.ceil(columns.length / blockSize));
  for (let key = 0; key < columns.length; key++) pooled[Math.floor(key / blockSize)]! += columns[key]!;
  return pooled;
}

/**
 * Mass of each diagonal of blocks. A distance that is not a multiple of the block size crosses two diagonals; each
 * gets its share of the rows.
 */
export function poolDiagonals(diagonals: Float64Array, blockSize: number): Float64Array {
  const pooled = new Float64Array(Math.ceil(diagonals.length / blockSize) + 1);
  for (let distance = 0; distance < diagonals.length; distance++) {
    const block = Math.floor(distance / blockSize);
    const beyond = (distance % blockSize) / blockSize;
    pooled[block]! += (1 - beyond) * diagonals[distance]!;
    pooled[block + 1]! += beyond * diagonals[distance]!;
  }
  return pooled;
}

/**
 * Flags the `count` indices with the greatest masses; of equal masses, the lower index goes first. Indices below `forced`
 * are always among them.
 */
export function topPlaces(mass: Float64Array, count: number, forced: number): Uint8Array {
  const flags = new Uint8Array(mass.length).fill(1, 0, forced);
  const rest = Array.from(mass.keys()).slice(forced);
  rest.sort((a, b) => mass[b]! - mass[a]! || a - b);
  for (const place of rest.slice(0, Math.max(0, count - forced))) flags[place] = 1;
  return flags;
}

/** The number of largest masses whose sum reaches `need`. */
export function countToCover(mass: Float64Array, need: number): number {
  const sorted = mass.toSorted().reverse();
  let reached = 0;
  const crossing = sorted.findIndex((m) => {
    reached += m;
    return reached >= need;
  });
  return crossing < 0 ? sorted.length : crossing + 1;
}

/** Columns and diagonals of blocks to keep, as flags, per head. */
export interface VerticalSlashBlocks {
  columns: Uint8Array;
  diagonals: Uint8Array;
}

/** True if a block lies on a kept column or diagonal. */
export const onVerticalSlash = (blocks: VerticalSlashBlocks, { rowOffset }: MaskRequest, row: number, block: number) =>
  blocks.columns[block] === 1 || blocks.diagonals[rowOffset + row - block] === 1;
