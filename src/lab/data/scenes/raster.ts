/** A picture with transparency: rows from the top, red, green, blue and alpha per pixel, without premultiplied alpha. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A drawing's position: its left and top edge and its size, in pixels, and whether it is mirrored. */
export interface Placement {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly mirrored: boolean;
}

/** A scene's pixels in progress: rgb, and for each pixel the number of the top object, 0 for the background. */
export interface Canvas {
  readonly size: number;
  readonly rgb: Uint8Array;
  readonly owner: Uint8Array;
}

/** The maximum number of pixels in a file. */
const MOST_PIXELS = 2 ** 24;

/** Reads a picture file. @throws Error if it cannot be decoded */
export async function readRaster(file: string): Promise<Raster> {
  const { default: sharp } = await import("sharp");
  const picture = sharp(file, { limitInputPixels: MOST_PIXELS }).toColourspace("srgb").ensureAlpha();
  const { data, info } = await picture.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Crops a picture to its visible part. @throws Error if nothing is visible */
export function trimmed({ width, height, data }: Raster): Raster {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      if (data[(y * width + x) * 4 + 3]! <= 8) continue;
      if (x < left) left = x;
      if (y < top) top = y;
      if (x >= right) right = x + 1;
      bottom = y + 1;
    }
  if (right === 0) throw new Error("it is fully transparent");
  const [w, h] = [right - left, bottom - top];
  const pixels = new Uint8Array(w * h * 4);
  for (let y = 0; y < h; y++)
    pixels.set(data.subarray(((top + y) * width + left) * 4, ((top + y) * width + left + w) * 4), y * w * 4);
  return { width: w, height: h, data: pixels };
}

/** Draws a picture onto a canvas as object `number`. Each pixel is the mean of the picture's pixels under it. */
export function paste(canvas: Canvas, picture: Raster, at: Placement, number: number): void {
  const [left, right] = [Math.max(0, at.x), Math.min(canvas.size, at.x + at.width)];
  for (let y = Math.max(0, at.y); y < Math.min(canvas.size, at.y + at.height); y++)
    for (let x = left; x < right; x++) {
      const column = at.mirrored ? at.x + at.width - 1 - x : x - at.x;
      blend(canvas, y * canvas.size + x, meanOf(picture, at, column, y - at.y), number);
    }
}

type Colour = readonly [red: number, green: number, blue: number, alpha: number];

/** The mean colour under a target pixel, weighted by alpha. */
function meanOf(picture: Raster, { width, height }: Placement, column: number, row: number): Colour {
  const [x0, x1] = covered(column, picture.width / width, picture.width);
  const [y0, y1] = covered(row, picture.height / height, picture.height);
  const sum = [0, 0, 0, 0];
  for (let y = y0; y < y1; y++)
    for (let x = x0; x < x1; x++) {
      const at = (y * picture.width + x) * 4;
      const alpha = picture.data[at + 3]!;
      for (let channel = 0; channel < 3; channel++) sum[channel]! += picture.data[at + channel]! * alpha;
      sum[3]! += alpha;
    }
  const whole = Math.max(1, sum[3]!);
  return [sum[0]! / whole, sum[1]! / whole, sum[2]! / whole, sum[3]! / ((x1 - x0) * (y1 - y0) * 255)];
}

function covered(at: number, scale: number, most: number): [from: number, to: number] {
  const from = Math.min(most - 1, Math.floor(at * scale));
  return [from, Math.max(from + 1, Math.min(most, Math.round((at + 1) * scale)))];
}

function blend({ rgb, owner }: Canvas, at: number, [red, green, blue, alpha]: Colour, number: number): void {
  for (const [channel, value] of [red, green, blue].entries())
    rgb[at * 3 + channel] = Math.round(rgb[at * 3 + channel]! * (1 - alpha) + value * alpha);
  if (alpha >= 0.5) owner[at] = number;
}
