import path from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import { readJson } from "../../weights/json-file.ts";
import { CHANNELS, type Pixels } from "./pixels.ts";
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
  /** Pixels of an image's longer side before it is cut. */
  readonly longest: number;
  /** Pixels of a tile's side. */
  readonly side: number;
  /** False if an image is one tile. */
  readonly splits: boolean;
  readonly filter: FilterName;
}

/** An image as tiles, row by row, with the whole of it in a tile's size among them: at the end, unless a model says otherwise. */
export interface Tiles {
  readonly pictures: readonly Pixels[];
  readonly rows: number;
  readonly columns: number;
}

/** Reads a model folder's processor, for a model that reads tiles of `expected` pixels a side. @throws UserError */
export function readTileProcessor(folder: string, expected: number): TileProcessor {
  const file = path.join(folder, PROCESSOR_FILE);
  const read = readJson(file, schema, "how the model's images are prepared");
  const { longest_edge: tile } = read.max_image_size;
  if (tile !== expected)
    throw new UserError(`${file}: tiles are ${tile} pixels wide, expected ${expected}, which the model reads`);
  return {
    ...{ longest: read.size.longest_edge, side: tile, splits: read.do_image_splitting },
    filter: filters[read.resample],
    ...scaleOf(read),
  };
}

/** The tiles of a picture, as transformers' `Idefics3ImageProcessor` with Pillow makes them. */
export function tilesOf(picture: Pixels, { longest, side, splits, filter }: TileProcessor): Tiles {
  const scaled = sizedTo(picture, longestSizes(picture, longest), filter);
  const small = (whole: Pixels) => resized(whole, side, side, filter);
  if (!splits) return { pictures: [small(scaled)], rows: 0, columns: 0 };
  const whole = sizedTo(scaled, wholeTiles(scaled, side), filter);
  const { pictures, rows, columns } = cutInto(whole, side);
  if (pictures.length === 1) return { pictures, rows: 0, columns: 0 };
  return { pictures: [...pictures, small(whole)], rows, columns };
}

/** The squares of a picture whose sides are whole squares of `side` pixels. */
export function cutInto(whole: Pixels, side: number): Tiles {
  const [rows, columns] = [whole.height / side, whole.width / side];
  const pictures = Array.from({ length: rows * columns }, (_, i) =>
    cropped(whole, (i % columns) * side, Math.floor(i / columns) * side, side),
  );
  return { pictures, rows, columns };
}

interface Sizes {
  readonly width: number;
  readonly height: number;
}

const sizedTo = (picture: Pixels, { width, height }: Sizes, filter: FilterName): Pixels =>
  resized(picture, width, height, filter);

/** The longer side as given, the other one even, as in transformers. */
function longestSizes({ width, height }: Sizes, longest: number): Sizes {
  const ratio = width / height;
  if (width >= height) return { width: longest, height: even(longest / ratio) };
  return { width: even(longest * ratio), height: longest };
}

const even = (size: number): number => Math.max(1, Math.trunc(size) + (Math.trunc(size) % 2));

/** Sides of whole tiles. */
function wholeTiles({ width, height }: Sizes, side: number): Sizes {
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
