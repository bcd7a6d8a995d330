import path from "node:path";
import { z } from "zod";
import type { PicturePatches } from "../../../models/images/patch-inputs.ts";
import { UserError } from "../../../util/errors.ts";
import { readJson } from "../../../weights/json-file.ts";
import { CHANNELS, type PictureSize, type Pixels } from "./pixels.ts";
import { filters, normalisePixels, type PixelScale, PROCESSOR_FILE, scaleFields, scaleOf } from "./processor.ts";
import { type FilterName, resized } from "./resample.ts";

const pixels = z.int().min(1);
const edge = z.int().min(1).max(1024);

const schema = z.looseObject({
  do_resize: z.literal(true).default(true),
  min_pixels: pixels.nullish(),
  max_pixels: pixels.nullish(),
  size: z.looseObject({ shortest_edge: pixels, longest_edge: pixels }).nullish(),
  resample: z.literal([2, 3], "expected 2 (bilinear) or 3 (bicubic)").default(3),
  patch_size: edge.default(14),
  merge_size: edge.default(2),
  temporal_patch_size: edge.default(2),
  ...scaleFields,
});

/** The default maximum number of patch squares per image, from transformers' processor. */
const USUAL_MOST = 1280;
const USUAL_LEAST = 4;

/** The patch sizes of a model. */
export interface PatchSizes {
  readonly patchSize: number;
  /** The number of patches per side of a square, which becomes one row. */
  readonly merge: number;
  /** The number of identical frames that represent a still image. */
  readonly frames: number;
}

/** A processor that roughly preserves an image's aspect ratio, and cuts it into patches. */
export interface PatchProcessor extends PixelScale {
  readonly sizes: PatchSizes;
  /** The minimum number of pixels in an image. */
  readonly least: number;
  readonly most: number;
  readonly filter: FilterName;
}

/**
 * Reads the processor in a model's folder. Images have at most 1,280 squares of patches, even if the file allows more:
 * the encoder compares every pair of patches.
 * @throws UserError if its patches differ from the model's
 */
export function readPatchProcessor(folder: string, sizes: PatchSizes): PatchProcessor {
  const file = path.join(folder, PROCESSOR_FILE);
  const read = readJson(file, schema, "how the model's images are prepared");
  const stated = { patchSize: read.patch_size, merge: read.merge_size, frames: read.temporal_patch_size };
  for (const [name, value] of Object.entries(stated) as [keyof PatchSizes, number][])
    if (value !== sizes[name])
      throw new UserError(`${file}: the ${name} of images is ${value}, expected the model's ${sizes[name]}`);
  const square = (sizes.patchSize * sizes.merge) ** 2;
  const most = read.max_pixels ?? read.size?.longest_edge ?? USUAL_MOST * square;
  return {
    sizes,
    least: read.min_pixels ?? read.size?.shortest_edge ?? USUAL_LEAST * square,
    most: Math.min(most, USUAL_MOST * square),
    filter: filters[read.resample],
    ...scaleOf(read),
  };
}

/** The maximum aspect ratio of an image. */
const RATIO = 200;

/** A picture scaled so that whole squares of patches cover it. @throws UserError as in `patchSides` */
export async function patchSized(picture: Pixels, processor: PatchProcessor): Promise<Pixels> {
  const { width, height } = patchSides(picture, processor);
  return resized(picture, width, height, processor.filter);
}

/** A picture's sides, rounded to multiples of a patch square. @throws UserError for an extreme aspect ratio */
export function patchSides({ width, height }: PictureSize, { sizes, least, most }: PatchProcessor): PictureSize {
  if (Math.max(width, height) > RATIO * Math.min(width, height))
    throw new UserError(`an image is ${width} × ${height} pixels; expected an aspect ratio of at most ${RATIO}`, 2);
  const factor = sizes.patchSize * sizes.merge;
  const sides = [height, width].map((side) => roundEven(side / factor) * factor);
  const [high, wide] = fitted([height, width], sides, { factor, least, most });
  return { width: wide!, height: high! };
}

/** Scales sides to be within the limits, like transformers' `smart_resize`. */
function fitted(
  size: readonly number[],
  sides: readonly number[],
  { factor, least, most }: { readonly factor: number; readonly least: number; readonly most: number },
): number[] {
  const area = (some: readonly number[]) => some[0]! * some[1]!;
  if (area(sides) > most) {
    const down = Math.sqrt(area(size) / most);
    return size.map((side) => Math.max(factor, Math.floor(side / down / factor) * factor));
  }
  if (area(sides) >= least) return [...sides];
  const up = Math.sqrt(least / area(size));
  return size.map((side) => Math.ceil((side * up) / factor) * factor);
}

/** Halves round to even, as in Python. */
function roundEven(x: number): number {
  const rounded = Math.round(x);
  return Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Cuts a picture made of whole squares into patches. */
export function patchesOf(picture: Pixels, { sizes, ...scale }: PatchProcessor): PicturePatches {
  const { patchSize, merge, frames } = sizes;
  const { width, height } = picture;
  const [down, across] = [height / patchSize, width / patchSize];
  const normal = normalisePixels(picture, scale);
  const values = new Float32Array(down * across * CHANNELS * frames * patchSize ** 2);
  const [rows, columns] = [new Int32Array(down * across), new Int32Array(down * across)];
  const frame = patchSize ** 2;
  for (let i = 0; i < down * across; i++) {
    const { row, column } = placeOf(i, across, merge);
    [rows[i], columns[i]] = [row, column];
    for (let channel = 0; channel < CHANNELS; channel++) {
      const at = (i * CHANNELS + channel) * frames * frame;
      for (let y = 0; y < patchSize; y++) {
        const from = (channel * height + row * patchSize + y) * width + column * patchSize;
        const line = normal.subarray(from, from + patchSize);
        for (let f = 0; f < frames; f++) values.set(line, at + f * frame + y * patchSize);
      }
    }
  }
  return { values, rows, columns, grid: [down / merge, across / merge] };
}

/** The position of the i-th patch: squares come row by row, and so do the patches of each square. */
function placeOf(i: number, across: number, merge: number): { row: number; column: number } {
  const [square, inside] = [Math.floor(i / merge ** 2), i % merge ** 2];
  const squares = across / merge;
  return {
    row: Math.floor(square / squares) * merge + Math.floor(inside / merge),
    column: (square % squares) * merge + (inside % merge),
  };
}
