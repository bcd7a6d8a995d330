import { z } from "zod";
import { integer } from "../option-schemas.ts";
import { BlockMask, type MaskRequest } from "./block-sparse/block-mask.ts";
import { type BlockChooser, type ChooserContext, maskRequest } from "./block-sparse/chooser.ts";
import { blockSparseShape } from "./block-sparse/options.ts";
import { blockSparse } from "./block-sparse/saving.ts";

export const triShapeOptions = z.strictObject({
  sinkTokens: integer(0, 128).describe("first tokens to keep"),
  windowTokens: integer(1, 1920).describe("recent tokens to keep; a window of the whole prompt is dense"),
  ...blockSparseShape,
});

type TriShapeOptions = z.infer<typeof triShapeOptions>;

/**
 * Sink tokens and a recent window, the same for every head and text (the A-shape of MInference; with `lastDenseTokens`,
 * the tri-shape of SCBench, arXiv 2412.10319).
 */
export const triShape = blockSparse<TriShapeOptions>({
  name: "tri-shape",
  summary: "block-sparse prefill: the first tokens and a recent window",
  options: triShapeOptions,
  settings: () => ["windowTokens=2944", "windowTokens=1920", "windowTokens=896"],
  neutral: ({ sinkTokens, windowTokens }, prompt) => sinkTokens + windowTokens >= prompt,
  chooser: triShapeChooser,
});

export async function triShapeChooser(options: TriShapeOptions, { shape }: ChooserContext): Promise<BlockChooser> {
  return {
    choose: async ({ chunk }, denseFrom) => triShapeMask(maskRequest(chunk, shape, denseFrom), options),
    [Symbol.dispose]: () => {},
  };
}

export function triShapeMask(
  request: MaskRequest,
  { blockSize, sinkTokens, windowTokens }: Pick<TriShapeOptions, "blockSize" | "sinkTokens" | "windowTokens">,
): BlockMask {
  const sinkBlocks = Math.ceil(sinkTokens / blockSize);
  // The block distance at which a row's first query still sees the last key in its window.
  const reach = Math.floor((windowTokens + blockSize - 2) / blockSize);
  return BlockMask.from(request, (_, row, block) => block < sinkBlocks || request.rowOffset + row - block <= reach);
}
