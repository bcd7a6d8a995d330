import type { Decoder } from "../../../models/decoder/decoder.ts";
import type { Buffer, View } from "../../../runtime/buffer.ts";
import type { AttentionBill } from "../../seams.ts";
import type { BlockMask, MaskRequest } from "./block-mask.ts";
import { type Chunk, colsOf, rowsOf } from "./chunk.ts";
import type { BlockShape } from "./graphs.ts";

/** Chooses the key blocks that a chunk's queries attend to. */
export interface BlockChooser extends Disposable {
  choose(placed: PlacedChunk, denseFrom: number): Promise<BlockMask>;
}

/** A chunk whose queries and keys are rotated and stored. */
export interface PlacedChunk {
  readonly chunk: Chunk;
  /** The chunk's queries, [heads, rows · blockSize, d]. */
  readonly q: Buffer;
  readonly bill: AttentionBill;
}

/** Size limits of the chunks passed to a chooser. */
export interface ChunkLimits {
  readonly shape: BlockShape;
  /** The maximum number of query blocks. */
  readonly maxRows: number;
}

/** The model and the chunk limits of a chooser. */
export interface ChooserContext extends ChunkLimits {
  readonly decoder: Decoder;
}

/** The rows of a chunk's mask; query blocks from `denseFrom` on, counted from the prompt's start, are dense. */
export const maskRequest = (chunk: Chunk, { heads, blockSize }: BlockShape, denseFrom: number): MaskRequest => ({
  ...{ heads, rows: rowsOf(chunk, blockSize), rowOffset: chunk.past / blockSize, denseFrom },
});

/** Queries of one key–value head's group, [group, tokens, d]. */
export function queriesOf({ chunk, q }: PlacedChunk, shape: BlockShape, head: number): View {
  const { heads, kvHeads, headSize, blockSize } = shape;
  const group = heads / kvHeads;
  const tokens = rowsOf(chunk, blockSize) * blockSize;
  return q.view([group, tokens, headSize], head * group * tokens * headSize);
}

/** The number of rows and of columns in a chunk's mask. */
export const sizesOf = (chunk: Chunk, { blockSize }: BlockShape) => ({
  rows: rowsOf(chunk, blockSize),
  cols: colsOf(chunk, blockSize),
});
