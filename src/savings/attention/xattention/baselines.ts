import { BlockMask, type MaskRequest } from "./block-mask.ts";
import type { XattentionOptions } from "./options.ts";
import {
  countToCover,
  type LastAttention,
  onVerticalSlash,
  poolColumns,
  poolDiagonals,
  topPlaces,
  type VerticalSlashBlocks,
  verticalSlash,
} from "./vertical-slash.ts";

type Options<K extends keyof XattentionOptions> = Pick<XattentionOptions, "blockSize" | K>;

/**
 * Sink tokens and a recent window, the same for every head and text (the A-shape of MInference; with `denseFrom`, whose rows
 * are the third side, the tri-shape of SCBench, arXiv 2412.10319).
 */
export function triShapeMask(request: MaskRequest, options: Options<"sinkTokens" | "windowTokens">): BlockMask {
  const { blockSize, sinkTokens, windowTokens } = options;
  const sinkBlocks = Math.ceil(sinkTokens / blockSize);
  // Block distance at which a row's first query still sees the last key inside its window.
  const reach = Math.floor((windowTokens + blockSize - 2) / blockSize);
  return BlockMask.from(request, (_, row, block) => block < sinkBlocks || request.rowOffset + row - block <= reach);
}

/** Keys and distances that the released MInference code keeps whatever their mass. */
const forcedKeys = 30;
const forcedDistances = 100;

/**
 * MInference's vertical-slash pattern (arXiv 2407.02490, algorithm 2), in whole blocks: `budget` of the keys is spent on the
 * heaviest key blocks and the heaviest block diagonals of the last queries' attention. The original gathers single columns,
 * which a block kernel cannot; the same number of keys is spent here on the blocks that hold most.
 */
export function minferenceMask(
  request: MaskRequest,
  attention: LastAttention,
  options: Options<"budget" | "verticalShare">,
): BlockMask {
  const { blockSize, budget, verticalShare } = options;
  const spend = Math.floor(attention.keys * budget);
  const blocksOf = (keys: number, least: number) => Math.ceil(Math.max(keys, least) / blockSize);
  const columnBudget = blocksOf(Math.floor(spend * verticalShare), forcedKeys);
  const diagonalBudget = blocksOf(Math.floor(spend * (1 - verticalShare)), forcedDistances);
  const kept = perHead(request, (head): VerticalSlashBlocks => {
    const { columns, diagonals } = verticalSlash(attention, head);
    return {
      columns: topPlaces(poolColumns(columns, blockSize), columnBudget, blocksOf(0, forcedKeys)),
      // Distances up to 99 reach one block beyond their own count of blocks.
      diagonals: topPlaces(poolDiagonals(diagonals, blockSize), diagonalBudget, blocksOf(0, forcedDistances) + 1),
    };
  });
  return BlockMask.from(request, (head, row, block) => onVerticalSlash(kept[head]!, request, row, block));
}

/** What FlexPrefill decides from: the last block's true attention, and attention between mean-pooled blocks. */
export interface FlexPrefillStatistics {
  last: LastAttention;
  /** Softmax over causal key blocks of mean query times mean key, `[heads, rows, cols]`. */
  pooled: Float32Array | Float64Array;
  cols: number;
}

/**
 * FlexPrefill (arXiv 2502.20766, algorithms 1 to 4). Where a head's pooled attention predicts its last block's true attention
 * (Jensen-Shannon distance below `tau`), the fewest blocks of the pooled map that cover `gamma` are kept; elsewhere the columns
 * and diagonals of the last queries that cover `gamma`. Block 0 and the diagonal are always kept, as in the released code, but do not count among them:
 * counted, they would crowd out the one column or diagonal that a sharp head needs.
 */
export function flexPrefillMask(
  request: MaskRequest,
  statistics: FlexPrefillStatistics,
  options: Options<"gamma" | "tau">,
): BlockMask {
  const { blockSize, gamma, tau } = options;
  const keeps = perHead(request, (head) => {
    const { columns, diagonals } = verticalSlash(statistics.last, head);
    const truth = poolColumns(columns, blockSize);
    if (jensenShannonDistance(pooledRow(request, statistics, head, request.rows - 1), truth) < tau)
      return coverMap(request, statistics, head, gamma);
    const blocks = (mass: Float64Array) => Math.floor(countToCover(mass, gamma) / blockSize) + 1;
    const kept = {
      columns: topPlaces(truth, blocks(columns), 0),
      diagonals: topPlaces(poolDiagonals(diagonals, blockSize), blocks(diagonals), 0),
    };
    return (row: number, block: number) => onVerticalSlash(kept, request, row, block);
  });
  const forced = (row: number, block: number) => block === 0 || block === request.rowOffset + row;
  return BlockMask.from(request, (head, row, block) => forced(row, block) || keeps[head]!(row, block));
}

/** Square root of the Jensen-Shannon divergence (natural logarithm) of two distributions; between 0 and sqrt(ln 2). */
export function jensenShannonDistance(p: ArrayLike<number>, q: ArrayLike<number>): number {
  let divergence = 0;
  for (let i = 0; i < p.length; i++) {
    const middle = (p[i]! + q[i]!) / 2;
    for (const x of [p[i]!, q[i]!]) if (x > 0) divergence += (x * Math.log(x / middle)) / 2;
  }
  return Math.sqrt(Math.max(0, divergence));
}

/** The fewest blocks of one head's whole map that cover `gamma` of its mass. */
function coverMap(request: MaskRequest, statistics: FlexPrefillStatistics, head: number, gamma: number) {
  const rows = Array.from({ length: request.rows }, (_, row) => pooledRow(request, statistics, head, row));
  const map = Float64Array.from(rows.flatMap((row) => [...row]));
  const starts = rows.map((_, row) => row * request.rowOffset + (row * (row + 1)) / 2);
  const kept = topPlaces(map, countToCover(map, gamma * map.reduce((sum, mass) => sum + mass, 0)), 0);
  return (row: number, block: number) => kept[starts[row]! + block] === 1;
}

/** Causal part of one row of the pooled map. */
function pooledRow(
  { rows, rowOffset }: MaskRequest,
  { pooled, cols }: FlexPrefillStatistics,
  head: number,
  row: number,
) {
  const start = (head * rows + row) * cols;
  return pooled.subarray(start, start + rowOffset + row + 1);
}

const perHead = <T>({ heads }: MaskRequest, make: (head: number) => T) =>
  Array.from({ length: heads }, (_, head) => make(head));
