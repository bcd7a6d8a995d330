import path from "node:path";
import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import { readJson } from "../../../weights/json-file.ts";
import { CHANNELS, type Pixels } from "./pixels.ts";
import { type Axis, type FilterName, resample } from "./resample.ts";

/** The name of a processor's file in a model's folder. */
export const PROCESSOR_FILE = "preprocessor_config.json";

const side = z.int().min(1).max(4096);
const square = z.strictObject({ height: side, width: side });
/** Old files contain one number: the shorter side if there is a crop, otherwise both sides. */
const sizes = z.union([square, z.strictObject({ shortest_edge: side }), side], "expected a size");
/** A value for each channel. */
const channels: z.ZodType<[number, number, number]> = z.tuple(
  [z.number(), z.number(), z.number()],
  "expected three numbers",
);

/** The fields for the pixel scale in a processor's file. */
export const scaleFields = {
  do_rescale: z.boolean().default(true),
  rescale_factor: z.number().default(1 / 255),
  do_normalize: z.boolean().default(true),
  image_mean: channels,
  image_std: channels,
};

/** Filters, keyed by Pillow's codes. */
export const filters = { 1: "lanczos", 2: "bilinear", 3: "bicubic" } as const;

const schema = z.looseObject({
  do_resize: z.boolean().default(true),
  size: sizes,
  resample: z.literal([2, 3], "expected 2 (bilinear) or 3 (bicubic)").nullish(),
  do_center_crop: z.boolean().nullish(),
  crop_size: z.union([square, side]).nullish(),
  do_pan_and_scan: z.literal(false, "expected false: additional crops of the image are not supported").nullish(),
  ...scaleFields,
});

/** The conversion of a picture's bytes to numbers: they are scaled, then normalised by channel. */
export interface PixelScale {
  readonly rescale: number;
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** The steps from a picture to a model's input, from `preprocessor_config.json`. */
export interface ImageProcessor extends PixelScale {
  /** The result's width and height, or its shorter side before the crop. */
  readonly resize: { readonly width: number; readonly height: number } | { readonly shortest: number };
  readonly filter: FilterName;
  /** The central part that is kept: the size of a model's input. */
  readonly width: number;
  readonly height: number;
}

/**
 * Reads the processor in a model's folder; `usual` is the default filter.
 * @throws UserError for unsupported steps
 */
export function readImageProcessor(folder: string, usual: FilterName = "bicubic"): ImageProcessor {
  const file = path.join(folder, PROCESSOR_FILE);
  const read = readJson(file, schema, "how the model's images are prepared");
  if (!read.do_resize) throw new UserError(`${file}: "do_resize" is false, expected true, since input sizes vary`);
  const crop = read.do_center_crop ? sidesOf(read.crop_size ?? undefined) : undefined;
  const resize = resizeOf(read.size, crop !== undefined);
  const result = crop ?? ("shortest" in resize ? undefined : resize);
  if (!result) throw new UserError(`${file}: "size" has a shortest edge but no crop, expected one size for all images`);
  const least = "shortest" in resize ? { width: resize.shortest, height: resize.shortest } : resize;
  if (result.width > least.width || result.height > least.height)
    throw new UserError(
      `${file}: the crop is ${result.width} × ${result.height}, expected at most the size, ${least.width} × ${least.height}`,
    );
  return {
    ...{ resize, ...result },
    filter: read.resample ? filters[read.resample] : usual,
    ...scaleOf(read),
  };
}

export const scaleOf = (read: z.output<z.ZodObject<typeof scaleFields>>): PixelScale => ({
  rescale: read.do_rescale ? read.rescale_factor : 1,
  mean: read.do_normalize ? read.image_mean : [0, 0, 0],
  deviation: read.do_normalize ? read.image_std : [1, 1, 1],
});

const sidesOf = (size: z.output<typeof square> | number | undefined) =>
  typeof size === "number" ? { width: size, height: size } : size;

function resizeOf(size: z.output<typeof sizes>, cropped: boolean): ImageProcessor["resize"] {
  if (typeof size === "number") return cropped ? { shortest: size } : { width: size, height: size };
  return "shortest_edge" in size ? { shortest: size.shortest_edge } : size;
}

/** Scales a picture to the size of the model's input. */
export function sized(picture: Pixels, { resize, width, height, filter }: ImageProcessor): Promise<Pixels> {
  const whole = "shortest" in resize ? byShortest(picture, resize.shortest) : resize;
  return resample(picture, middle(whole.width, width), middle(whole.height, height), filter);
}

/** The longer side is truncated to a whole number, as in transformers. */
function byShortest({ width, height }: Pixels, shortest: number): { width: number; height: number } {
  const long = Math.trunc((shortest * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: shortest, height: long } : { width: long, height: shortest };
}

const middle = (size: number, count: number): Axis => ({ size, from: Math.floor((size - count) / 2), count });

/** Computes `pixel_values` [channels, height, width] of a picture in the size of the model's input. */
export function normalisePixels({ data }: Pixels, { rescale, mean, deviation }: PixelScale): Float32Array {
  const area = data.length / CHANNELS;
  return Float32Array.from({ length: data.length }, (_, i) => {
    const channel = Math.floor(i / area);
    return (data[(i % area) * CHANNELS + channel]! * rescale - mean[channel]!) / deviation[channel]!;
  });
}
