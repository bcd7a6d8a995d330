import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { readJson } from "../../../weights/json-file.ts";
import type { PictureSize, Pixels } from "./pixels.ts";
import { filters, type PixelScale, PROCESSOR_FILE, scaleFields, scaleOf } from "./processor.ts";
import { type FilterName, resized } from "./resample.ts";
import { cutInto, type TileCounts, type Tiles } from "./tiles.ts";

const side = z.int().min(1).max(4096);
const tiles = z.int().min(1).max(100);

const schema = z.looseObject({
  do_resize: z.literal(true).default(true),
  size: z.strictObject({ height: side, width: side }),
  min_patches: tiles.default(1),
  max_patches: tiles.default(12),
  resample: z.literal([2, 3], "expected 2 (bilinear) or 3 (bicubic)").default(3),
  ...scaleFields,
});

/** A processor that scales images to the tile rows and columns nearest to their shape. */
export interface ShapedProcessor extends PixelScale {
  /** Pixels per side of a tile. */
  readonly side: number;
  /** Rows and columns of tiles; the shape with the fewest tiles comes first. */
  readonly shapes: readonly TileCounts[];
  readonly filter: FilterName;
}

/** Reads the processor in a model's folder, for a model whose tiles have `expected` pixels per side. @throws UserError */
export function readShapedProcessor(folder: string, expected: number): ShapedProcessor {
  const file = path.join(folder, PROCESSOR_FILE);
  const read = readJson(file, schema, "how the model's images are prepared");
  for (const tile of [read.size.height, read.size.width])
    if (tile !== expected)
      throw new UserError(`${file}: tiles are ${tile} pixels wide, expected the model's ${expected}`);
  if (read.min_patches > read.max_patches)
    throw new UserError(`${file}: "min_patches" is ${read.min_patches}, expected at most ${read.max_patches}`);
  const shapes = shapesOf(read.min_patches, read.max_patches);
  return { side: expected, shapes, filter: filters[read.resample], ...scaleOf(read) };
}

/** All shapes with `least` to `most` tiles; for equal numbers of tiles, the shape with fewer columns comes first. */
function shapesOf(least: number, most: number): TileCounts[] {
  const sizes = Array.from({ length: most }, (_, i) => i + 1);
  return sizes
    .flatMap((columns) => sizes.map((rows) => ({ rows, columns })))
    .filter(({ rows, columns }) => rows * columns >= least && rows * columns <= most)
    .toSorted((a, b) => a.rows * a.columns - b.rows * b.columns);
}

/**
 * The tiles of a picture; if there are several, the entire picture scaled to one tile follows, like transformers'
 * `GotOcr2ImageProcessor` with Pillow.
 */
export async function shapedTiles(picture: Pixels, processor: ShapedProcessor): Promise<Tiles> {
  const { side, filter } = processor;
  const { rows, columns } = shapeOf(picture, processor);
  const { pictures } = cutInto(await resized(picture, columns * side, rows * side, filter), side);
  const whole = pictures.length > 1 ? [await resized(picture, side, side, filter)] : [];
  return { pictures: [...pictures, ...whole], rows, columns };
}

/**
 * The shape whose aspect ratio is nearest to the picture's. Among equally near shapes, a later shape wins if its tiles
 * have less than twice the picture's pixels.
 */
export function shapeOf({ width, height }: PictureSize, { side, shapes }: ShapedProcessor): TileCounts {
  const off = ({ rows, columns }: TileCounts) => Math.abs(width / height - columns / rows);
  const fills = ({ rows, columns }: TileCounts) => width * height > 0.5 * side * side * columns * rows;
  return shapes.reduce((best, shape) =>
    off(shape) < off(best) || (off(shape) === off(best) && fills(shape)) ? shape : best,
  );
}

/** The number of pictures that the encoder reads for an image. */
export function shapedPictures(size: PictureSize, processor: ShapedProcessor): number {
  const { rows, columns } = shapeOf(size, processor);
  return rows * columns === 1 ? 1 : rows * columns + 1;
}
