import { createHash } from "node:crypto";
import type { EmbeddedSpan } from "../run/spans.ts";

/** The tiles of an image, and their layout. */
export interface TileGrid {
  readonly rows: number;
  readonly columns: number;
  /** The number of rows along a tile's side. */
  readonly side: number;
  /** The image's own height and width. */
  readonly original: readonly [height: number, width: number];
  /** The row that ends each line, [hidden]. */
  readonly lineEnd: Float32Array;
}

/** The part of an axis without padding. */
interface UnpaddedPart {
  readonly from: number;
  readonly count: number;
}

/** The number of rows of `joinedTiles`. */
export function joinedRows(grid: TileGrid): number {
  const { down, across } = unpadded(grid);
  return across.count === 0 ? 0 : down.count * (across.count + 1);
}

/**
 * The rows of tiles joined into one image, without padding, each line with its end row, like transformers'
 * `LlavaNextModel.pack_image_features`; undefined if everything is padding, as for an extremely narrow image.
 */
export function joinedTiles(tiles: readonly EmbeddedSpan[], grid: TileGrid): EmbeddedSpan | undefined {
  if (joinedRows(grid) === 0) return undefined;
  const { side, columns, lineEnd } = grid;
  const { down, across } = unpadded(grid);
  const hidden = lineEnd.length;
  const width = across.count + 1;
  const embeddings = new Float32Array(down.count * width * hidden);
  for (let line = 0; line < down.count; line++) {
    for (let i = 0; i < across.count; i++) {
      const [y, x] = [down.from + line, across.from + i];
      const tile = tiles[Math.floor(y / side) * columns + Math.floor(x / side)]!;
      const at = ((y % side) * side + (x % side)) * hidden;
      embeddings.set(tile.embeddings.subarray(at, at + hidden), (line * width + i) * hidden);
    }
    embeddings.set(lineEnd, (line * width + across.count) * hidden);
  }
  const hash = createHash("sha256").update(`${down.count} ${across.count}`);
  for (const { contentHash } of tiles) hash.update(` ${contentHash}`);
  return { embeddings, contentHash: hash.digest("hex"), grid: [down.count, width] };
}

/** Depending on the image's shape, padding is above and below or on both sides. */
function unpadded({ rows, columns, side, original }: TileGrid): { down: UnpaddedPart; across: UnpaddedPart } {
  const [height, width] = original;
  const [high, wide] = [rows * side, columns * side];
  const all = (count: number): UnpaddedPart => ({ from: 0, count });
  if (width / height > wide / high) return { down: middle(high, height * (wide / width)), across: all(wide) };
  return { down: all(high), across: middle(wide, width * (high / height)) };
}

/** The unpadded part in the middle of an axis. The size is rounded to seven digits first, as in transformers. */
function middle(all: number, size: number): UnpaddedPart {
  const from = Math.floor((all - Math.trunc(Number(size.toFixed(7)))) / 2);
  return { from, count: all - 2 * from };
}
