import { z } from "zod";
import { firstAttention } from "../../models/decoder/decoder.ts";
import { fraction } from "../option-schemas.ts";
import { BlockMask, type MaskRequest } from "./block-sparse/block-mask.ts";
import { type BlockChooser, type ChooserContext, maskRequest } from "./block-sparse/chooser.ts";
import { blockSparseShape } from "./block-sparse/options.ts";
import { blockSparse } from "./block-sparse/saving.ts";
import type { LastAttention } from "./last-attention.ts";
import {
  countToCover,
  onVerticalSlash,
  poolColumns,
  poolDiagonals,
  topPlaces,
  verticalSlash,
} from "./vertical-slash.ts";

/** The defaults come from the paper. */
export const flexPrefillOptions = z.strictObject({
  gamma: fraction(0.95).describe("attention mass to cover; 1 is dense"),
  tau: fraction(0.1).describe("Jensen-Shannon distance below which a head's pooled scores are trusted"),
  ...blockSparseShape,
});

type FlexPrefillOptions = z.infer<typeof flexPrefillOptions>;

/** FlexPrefill (Lai et al., arXiv 2502.20766). */
export const flexPrefill = blockSparse<FlexPrefillOptions>({
  name: "flexprefill",
  summary: "block-sparse prefill, with a pattern chosen for each head",
  options: flexPrefillOptions,
  settings: () => ["gamma=0.98", "gamma=0.95", "gamma=0.9"],
  neutral: ({ gamma }) => gamma >= 1,
  chooser: flexPrefillChooser,
});

export async function flexPrefillChooser(
  options: FlexPrefillOptions,
  { shape, decoder }: ChooserContext,
): Promise<BlockChooser> {
  const [{ PooledScores }, { LastQueries }] = await Promise.all([
    import("./block-sparse/pooled-scores.ts"),
    import("./last-attention.ts"),
  ]);
  const [pooled, last] = await Promise.all([
    PooledScores.create(shape),
    LastQueries.create(shape, firstAttention(decoder).scale),
  ]);
  return {
    async choose(placed, denseFrom) {
      const request = maskRequest(placed.chunk, shape, denseFrom);
      const statistics = { pooled: await pooled.of(placed), last: await last.attend(placed, options.blockSize) };
      return flexPrefillMask(request, { ...statistics, cols: request.rowOffset + request.rows }, options);
    },
    [Symbol.dispose]() {
      pooled[Symbol.dispose]();
      last[Symbol.dispose]();
    },
  };
}

/** FlexPrefill's inputs: the last block's true attention, and attention between mean-pooled blocks. */
export interface FlexPrefillStatistics {
  last: LastAttention;
  /** Softmax over causal key blocks of mean query times mean key, `[heads, rows, cols]`. */
  pooled: Float32Array | Float64Array;
  cols: number;
}

/**
 * Algorithms 1 to 4. If a head's pooled attention predicts its last block's true attention (Jensen-Shannon distance
 * below `tau`), this keeps the fewest blocks of the pooled map that cover `gamma`; otherwise the columns and diagonals
 * of the last queries that cover `gamma`. Block 0 and the diagonal are always kept, as in the released code, but do not
 * count towards `gamma`: they would displace the one column or diagonal that a sharp head needs.
 */
export function flexPrefillMask(
  request: MaskRequest,
  statistics: FlexPrefillStatistics,
  { blockSize, gamma, tau }: Pick<FlexPrefillOptions, "blockSize" | "gamma" | "tau">,
): BlockMask {
  const keeps = perHead(request, (head) => {
    const { columns, diagonals } = verticalSlash(statistics.last, head);
    const truth = poolColumns(columns, blockSize);
    if (jensenShannonDistance(pooledRow(request, statistics, head, request.rows - 1), truth) < tau)
      return coverMap(request, statistics, head, gamma);
    const blocks = (mass: Float64Array) => Math.floor(countToCover(mass, gamma) / blockSize) + 1;
    const retained = {
      columns: topPlaces(truth, blocks(columns), 0),
      diagonals: topPlaces(poolDiagonals(diagonals, blockSize), blocks(diagonals), 0),
    };
    return (row: number, block: number) => onVerticalSlash(retained, request, row, block);
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

/** The fewest blocks of one head's whole map that together hold `gamma` of its mass. */
function coverMap(request: MaskRequest, statistics: FlexPrefillStatistics, head: number, gamma: number) {
  const rows = Array.from({ length: request.rows }, (_, row) => pooledRow(request, statistics, head, row));
  const map = Float64Array.from(rows.flatMap((row) => [...row]));
  const starts = rows.map((_, row) => row * request.rowOffset + (row * (row + 1)) / 2);
  const selected = topPlaces(map, countToCover(map, gamma * map.reduce((sum, mass) => sum + mass, 0)), 0);
  return (row: number, block: number) => selected[starts[row]! + block] === 1;
}

/** The causal part of one row of the pooled map. */
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
