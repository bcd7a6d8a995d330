import { z } from "zod";
import { firstAttention } from "../../models/decoder/decoder.ts";
import { fraction, integer } from "../option-schemas.ts";
import { BlockMask, type MaskRequest } from "./block-sparse/block-mask.ts";
import { type BlockChooser, type ChooserContext, maskRequest } from "./block-sparse/chooser.ts";
import { blockSparseShape } from "./block-sparse/options.ts";
import { blockSparse } from "./block-sparse/saving.ts";
import type { LastAttention } from "./last-attention.ts";
import {
  onVerticalSlash,
  poolColumns,
  poolDiagonals,
  topPlaces,
  type VerticalSlashBlocks,
  verticalSlash,
} from "./vertical-slash.ts";

/** The defaults come from the released code. */
export const minferenceOptions = z.strictObject({
  lastQueries: integer(1, 64).describe("last queries of a chunk whose attention is inspected"),
  budget: fraction(0.3).describe("share of the keys for columns and diagonals; 1 is dense"),
  verticalShare: fraction(0.2).describe("share of the budget for columns"),
  ...blockSparseShape,
});

type MinferenceOptions = z.infer<typeof minferenceOptions>;

/** MInference (Jiang et al., arXiv 2407.02490), with the vertical-slash pattern in every head. */
export const minference = blockSparse<MinferenceOptions>({
  name: "minference",
  summary: "block-sparse prefill: selected columns and diagonals",
  options: minferenceOptions,
  settings: () => ["budget=0.5", "budget=0.3", "budget=0.2"],
  neutral: ({ budget }) => budget >= 1,
  chooser: minferenceChooser,
});

export async function minferenceChooser(
  options: MinferenceOptions,
  { shape, decoder }: ChooserContext,
): Promise<BlockChooser> {
  const { LastQueries } = await import("./last-attention.ts");
  const last = await LastQueries.create(shape, firstAttention(decoder).scale);
  return {
    async choose(placed, denseFrom) {
      const attention = await last.attend(placed, options.lastQueries);
      return minferenceMask(maskRequest(placed.chunk, shape, denseFrom), attention, options);
    },
    [Symbol.dispose]: () => last[Symbol.dispose](),
  };
}

/** The number of first keys and of shortest distances that the released code always keeps. */
const forcedKeys = 30;
const forcedDistances = 100;

/**
 * The vertical-slash pattern (algorithm 2) in whole blocks: a `budget` share of keys goes to the heaviest key blocks and
 * block diagonals of the last queries' attention. The original gathers single columns, which a block kernel cannot do; here
 * the same number of keys goes to the heaviest blocks.
 */
export function minferenceMask(
  request: MaskRequest,
  attention: LastAttention,
  { blockSize, budget, verticalShare }: Pick<MinferenceOptions, "blockSize" | "budget" | "verticalShare">,
): BlockMask {
  const spend = Math.floor(attention.keys * budget);
  const blocksOf = (keys: number, least: number) => Math.ceil(Math.max(keys, least) / blockSize);
  const columnBudget = blocksOf(Math.floor(spend * verticalShare), forcedKeys);
  const diagonalBudget = blocksOf(Math.floor(spend * (1 - verticalShare)), forcedDistances);
  const blocks = Array.from({ length: request.heads }, (_, head): VerticalSlashBlocks => {
    const { columns, diagonals } = verticalSlash(attention, head);
    return {
      columns: topPlaces(poolColumns(columns, blockSize), columnBudget, blocksOf(0, forcedKeys)),
      // Distances below 100 reach one block further than the number of blocks that they fill.
      diagonals: topPlaces(poolDiagonals(diagonals, blockSize), diagonalBudget, blocksOf(0, forcedDistances) + 1),
    };
  });
  return BlockMask.from(request, (head, row, block) => onVerticalSlash(blocks[head]!, request, row, block));
}
