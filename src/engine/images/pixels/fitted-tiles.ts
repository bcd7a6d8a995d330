import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { readJson } from "../../../weights/json-file.ts";
import { CHANNELS, type PictureSize, type Pixels } from "./pixels.ts";
import { filters, type PixelScale, PROCESSOR_FILE, scaleFields, scaleOf } from "./processor.ts";
import { type FilterName, resized } from "./resample.ts";
import { cutInto, type TileCounts, type Tiles } from "./tiles.ts";

const side = z.int().min(1).max(4096);
const square = z.strictObject({ height: side, width: side });
const sides = z.tuple([side, side], "expected a height and a width");

const schema = z.looseObject({
  do_resize: z.literal(true).default(true),
  size: z.union([square, z.strictObject({ shortest_edge: side })], "expected a size").default({ shortest_edge: 224 }),
  crop_size: square.nullish(),
  resample: z.literal([2, 3], "expected 2 (bilinear) or 3 (bicubic)").default(3),
  image_grid_pinpoints: z.array(sides).min(1).max(100),
  ...scaleFields,
});

/** A height and a width in pixels. */
type Sides = readonly [height: number, width: number];

/** A processor that scales images to one of several sizes, and cuts them into square tiles. */
export interface FittedProcessor extends PixelScale {
  /** Pixels per side of a tile. */
  readonly side: number;
  /** The supported sizes, all multiples of a tile's side. */
  readonly sizes: readonly Sides[];
  readonly filter: FilterName;
}

/** Reads the processor in a model's folder, for a model whose tiles have `expected` pixels per side. @throws UserError */
export function readFittedProcessor(folder: string, expected: number): FittedProcessor {
  const file = path.join(folder, PROCESSOR_FILE);
  const read = readJson(file, schema, "how the model's images are prepared");
  const { size, crop_size: crop, image_grid_pinpoints: sizes } = read;
  const stated = "shortest_edge" in size ? [size.shortest_edge] : [size.height, size.width];
  for (const tile of [...stated, ...(crop ? [crop.height, crop.width] : [])])
    if (tile !== expected)
      throw new UserError(`${file}: tiles are ${tile} pixels wide, expected the model's ${expected}`);
  for (const [height, width] of sizes)
    if (height % expected > 0 || width % expected > 0)
      throw new UserError(
        `${file}: an image size is ${height} × ${width}, expected multiples of ${expected}, the size of a tile`,
      );
  return { side: expected, sizes, filter: filters[read.resample], ...scaleOf(read) };
}

/**
 * The entire picture scaled to one tile, then the tiles of the picture scaled to the best-fitting size and padded with
 * black, like transformers' `LlavaNextImageProcessor` with Pillow.
 */
export async function fittedTiles(picture: Pixels, { side, sizes, filter }: FittedProcessor): Promise<Tiles> {
  const [height, width] = bestOf(picture, sizes);
  const { height: high, width: wide } = insideOf(picture, [height, width]);
  const padded = centred(await resized(picture, wide, high, filter), [height, width]);
  const { pictures, rows, columns } = cutInto(padded, side);
  return { pictures: [await resized(picture, side, side, filter), ...pictures], rows, columns };
}

/** The rows and columns of tiles that `fittedTiles` makes from a picture of this size. */
export function fittedCounts(size: PictureSize, { side, sizes }: FittedProcessor): TileCounts {
  const [height, width] = bestOf(size, sizes);
  return { rows: height / side, columns: width / side };
}

/** The size that preserves the most pixels of an image; if several do, the smallest. */
function bestOf({ width, height }: PictureSize, sizes: readonly Sides[]): Sides {
  const scored = sizes.map((of) => {
    const scale = Math.min(of[1] / width, of[0] / height);
    const usedPixels = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    return { of, left: usedPixels, wasted: of[0] * of[1] - usedPixels };
  });
  return scored.reduce((best, one) =>
    one.left > best.left || (one.left === best.left && one.wasted < best.wasted) ? one : best,
  ).of;
}

/** The sides of a picture, scaled to fit within a given size. */
function insideOf({ width, height }: PictureSize, [high, wide]: Sides): PictureSize {
  const [across, down] = [wide / width, high / height];
  if (across < down) return { width: wide, height: Math.min(Math.ceil(height * across), high) };
  return { width: Math.min(Math.ceil(width * down), wide), height: high };
}

/** A picture centred on a black background. */
function centred({ width, height, data }: Pixels, [high, wide]: Sides): Pixels {
  const padded = new Uint8Array(high * wide * CHANNELS);
  const [left, top] = [Math.floor((wide - width) / 2), Math.floor((high - height) / 2)];
  for (let y = 0; y < height; y++)
    padded.set(data.subarray(y * width * CHANNELS, (y + 1) * width * CHANNELS), ((top + y) * wide + left) * CHANNELS);
  return { width: wide, height: high, data: padded };
}
