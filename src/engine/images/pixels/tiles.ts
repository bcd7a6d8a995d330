import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { readJson } from "../../../weights/json-file.ts";
import { CHANNELS, type PictureSize, type Pixels } from "./pixels.ts";
import { filters, type PixelScale, PROCESSOR_FILE, scaleFields, scaleOf } from "./processor.ts";
import { type FilterName, resized } from "./resample.ts";

const side = z.int().min(1).max(4096);

const schema = z.looseObject({
  do_resize: z.literal(true).default(true),
  size: z.looseObject({ longest_edge: side }).default({ longest_edge: 4 * 364 }),
  max_image_size: z.looseObject({ longest_edge: side }).default({ longest_edge: 364 }),
  do_image_splitting: z.boolean().default(true),
  resample: z.literal([1, 2, 3], "expected 1 (Lanczos), 2 (bilinear) or 3 (bicubic)").default(1),
  ...scaleFields,
});

/** A processor that cuts images into square tiles. */
export interface TileProcessor extends PixelScale {
  /** The length of an image's longer side before cutting, in pixels. */
  readonly longest: number;
  /** Pixels per side of a tile. */
  readonly side: number;
  /** False if an image is one tile. */
  readonly splits: boolean;
  readonly filter: FilterName;
}

/** The rows and columns of an image's tiles. */
export interface TileCounts {
  readonly rows: number;
  readonly columns: number;
}

/** An image's tiles, row by row, and the entire image scaled to one tile, which by default comes last. */
export interface Tiles extends TileCounts {
  readonly pictures: readonly Pixels[];
}

/** Reads the processor in a model's folder, for a model whose tiles have `expected` pixels per side. @throws UserError */
export function readTileProcessor(folder: string, expected: number): TileProcessor {
  const file = path.join(folder, PROCESSOR_FILE);
  const read = readJson(file, schema, "how the model's images are prepared");
  const { longest_edge: tile } = read.max_image_size;
  if (tile !== expected)
    throw new UserError(`${file}: tiles are ${tile} pixels wide, expected the model's ${expected}`);
  return {
    ...{ longest: read.size.longest_edge, side: tile, splits: read.do_image_splitting },
    filter: filters[read.resample],
    ...scaleOf(read),
  };
}

/** The tiles of a picture, like transformers' `Idefics3ImageProcessor` with Pillow. */
export async function tilesOf(picture: Pixels, { longest, side, splits, filter }: TileProcessor): Promise<Tiles> {
  const scaled = await sizedTo(picture, longestSizes(picture, longest), filter);
  const small = (whole: Pixels) => resized(whole, side, side, filter);
  if (!splits) return { pictures: [await small(scaled)], ...NO_TILES };
  const whole = await sizedTo(scaled, wholeTiles(scaled, side), filter);
  const { pictures, rows, columns } = cutInto(whole, side);
  if (pictures.length === 1) return { pictures, ...NO_TILES };
  return { pictures: [...pictures, await small(whole)], rows, columns };
}

/** The rows and columns of tiles that `tilesOf` makes from a picture of this size. */
export function tileCounts(size: PictureSize, { longest, side, splits }: TileProcessor): TileCounts {
  if (!splits) return NO_TILES;
  const { width, height } = wholeTiles(longestSizes(size, longest), side);
  const [rows, columns] = [height / side, width / side];
  return rows * columns === 1 ? NO_TILES : { rows, columns };
}

/** An image that is not cut into tiles. */
const NO_TILES: TileCounts = { rows: 0, columns: 0 };

/** Cuts a picture whose sides are multiples of `side` pixels into squares. */
export function cutInto(whole: Pixels, side: number): Tiles {
  const [rows, columns] = [whole.height / side, whole.width / side];
  const pictures = Array.from({ length: rows * columns }, (_, i) =>
    cropped(whole, (i % columns) * side, Math.floor(i / columns) * side, side),
  );
  return { pictures, rows, columns };
}

const sizedTo = (picture: Pixels, { width, height }: PictureSize, filter: FilterName): Promise<Pixels> =>
  resized(picture, width, height, filter);

/** Makes the longer side `longest`, and rounds the shorter side to an even number, as in transformers. */
function longestSizes({ width, height }: PictureSize, longest: number): PictureSize {
  const ratio = width / height;
  if (width >= height) return { width: longest, height: even(longest / ratio) };
  return { width: even(longest * ratio), height: longest };
}

const even = (size: number): number => Math.max(1, Math.trunc(size) + (Math.trunc(size) % 2));

/** Rounds sides up to whole tiles. */
function wholeTiles({ width, height }: PictureSize, side: number): PictureSize {
  const up = (size: number) => Math.ceil(size / side) * side;
  const ratio = width / height;
  if (width >= height) return { width: up(width), height: up(Math.trunc(up(width) / ratio)) };
  return { width: up(Math.trunc(up(height) * ratio)), height: up(height) };
}

function cropped({ width, data }: Pixels, left: number, top: number, side: number): Pixels {
  const tile = new Uint8Array(side * side * CHANNELS);
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * CHANNELS;
    tile.set(data.subarray(from, from + side * CHANNELS), y * side * CHANNELS);
  }
  return { width: side, height: side, data: tile };
}
