import type { Metadata } from "sharp";
import { UserError } from "../../../util/errors.ts";
import { CHANNELS, type PictureSize, type Pixels } from "./pixels.ts";

type Sharp = typeof import("sharp").default;

/** The maximum size of an accepted file, in bytes. */
export const MOST_BYTES = 2 ** 26;

/** The maximum number of pixels in a picture: a camera's 100 megapixels take 300 MB. */
export const MOST_PIXELS = 1e8;

/** Formats, recognised by the bytes at an offset in their files. */
const formats = [
  { name: "PNG", at: 0, begin: "\x89PNG\r\n\x1a\n" },
  { name: "JPEG", at: 0, begin: "\xff\xd8\xff" },
  { name: "WebP", at: 8, begin: "WEBP" },
  { name: "GIF", at: 0, begin: "GIF8" },
];

/**
 * Decodes a PNG, a JPEG, a WebP or a still GIF: rotated upright by its EXIF orientation, in sRGB, with transparency on
 * white. `name` is the picture's name in errors.
 * @throws UserError for another format, and for an animated, oversized or damaged picture
 */
export async function decodeImage(bytes: Uint8Array, name: string): Promise<Pixels> {
  await pictureSize(bytes, name);
  return decoding(name, async (sharp) => {
    const upright = sharp(bytes, { limitInputPixels: MOST_PIXELS, failOn: "error" })
      .autoOrient()
      .toColourspace("srgb")
      .flatten({ background: "white" })
      .removeAlpha();
    const { data, info } = await upright.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== CHANNELS) throw new Error(`${info.channels} channels`);
    return { width: info.width, height: info.height, data };
  });
}

/** Reads the size of an image from its header without decoding pixels. @throws UserError like `decodeImage` */
export async function pictureSize(bytes: Uint8Array, name: string): Promise<PictureSize> {
  checkFormat(bytes, name);
  return decoding(name, async (sharp) => {
    const header = await sharp(bytes, { limitInputPixels: false }).metadata();
    checkHeader(header, name);
    return header.autoOrient;
  });
}

/** Runs `read` with the decoder, which is loaded for the first image, because most runs read none. */
async function decoding<T>(name: string, read: (sharp: Sharp) => Promise<T>): Promise<T> {
  const { default: sharp } = await import("sharp");
  try {
    return await read(sharp);
  } catch (error) {
    if (error instanceof UserError || !(error instanceof Error)) throw error;
    throw new UserError(`${name}: the image cannot be decoded (${error.message.trim().split("\n")[0]})`);
  }
}

/** Checks that a decoder would run only for the expected formats, because other decoders have had vulnerabilities. */
function checkFormat(bytes: Uint8Array, name: string): void {
  if (bytes.length > MOST_BYTES)
    throw new UserError(`${name}: the image has ${bytes.length} bytes, expected at most ${MOST_BYTES}`);
  const starts = (begin: string, at: number) => latin(bytes, at, at + begin.length) === begin;
  if (formats.some(({ begin, at }) => starts(begin, at))) return;
  const expected = `expected one of ${formats.map((format) => format.name).join(", ")}`;
  if (bytes.length === 0) throw new UserError(`${name}: the image is empty, ${expected}`);
  if (/<svg[\s/>]/.test(latin(bytes, 0, 4096)))
    throw new UserError(`${name}: this is an SVG, a drawing without pixels; ${expected}`);
  throw new UserError(`${name}: this is not an image of a known format, ${expected}`);
}

function checkHeader({ width, height, pages = 1 }: Metadata, name: string): void {
  if (pages > 1) throw new UserError(`${name}: the image is animated (${pages} frames); expected a still image`);
  if (width * height > MOST_PIXELS)
    throw new UserError(`${name}: the image has ${width} × ${height} pixels, expected at most ${MOST_PIXELS} in all`);
}

const latin = (bytes: Uint8Array, from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
