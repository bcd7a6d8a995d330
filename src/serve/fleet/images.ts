import { pictureSize } from "../../engine/images/pixels/decode.ts";
import { isObject, type JsonObject } from "../../weights/json.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";

/** An image in a chat, and the name of its field. */
interface Image {
  /** `data:image/…;base64,…`, as the request's schema requires. */
  readonly url: string;
  readonly param: string;
}

/**
 * Checks the limits on a chat's images, which servers expand to many times their size.
 * @throws HttpError that names the field
 */
export function checkImages({ messages }: JsonObject, { maxImages, maxImage }: Limits): void {
  const images = listOf(messages).flatMap(imagesIn);
  if (images.length > maxImages) throw wrong("messages", `expected at most ${maxImages} images, got ${images.length}`);
  for (const { url, param } of images) {
    const [type, base64] = url.slice("data:".length).split(";base64,") as [string, string];
    if (!TYPES.test(type)) throw wrong(param, `expected a PNG, JPEG, GIF or WebP image, got ${type}`);
    const bytes = bytesIn(base64);
    if (bytes === undefined) throw wrong(param, "expected an image as complete base64, got truncated base64");
    if (bytes > maxImage) throw wrong(param, `expected an image of at most ${maxImage} bytes, got one of ${bytes}`);
  }
}

/**
 * Checks the images' pixel counts in their headers, without decoding them.
 * @throws HttpError that names the field; UserError for a file that is not an image
 */
export async function checkPixels(
  images: readonly Uint8Array[],
  param: string,
  { maxImagePixels, maxPixels }: Limits,
): Promise<void> {
  let sum = 0;
  for (const [i, bytes] of images.entries()) {
    const name = `image ${i + 1}`;
    const { width, height } = await pictureSize(bytes, name);
    if (width * height > maxImagePixels)
      throw wrong(param, `expected images of at most ${maxImagePixels} pixels, got ${width} × ${height} (${name})`);
    sum += width * height;
  }
  if (sum > maxPixels) throw wrong(param, `expected images of at most ${maxPixels} pixels in all, got ${sum}`);
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const imagesIn = (message: unknown, at: number): Image[] =>
  listOf(isObject(message) && message["content"]).flatMap((part, i) => {
    const image = isObject(part) && part["image_url"];
    const param = `messages.${at}.content.${i}.image_url.url`;
    return isObject(image) ? [{ url: String(image["url"]), param }] : [];
  });

/** Bitmap types only: an SVG has no pixels, and may refer to other files. */
const TYPES = /^image\/(png|jpe?g|gif|webp)$/;

/** The number of bytes after decoding; undefined if the text is truncated. */
function bytesIn(base64: string): number | undefined {
  if (base64.length % 4 !== 0) return undefined;
  return (base64.length / 4) * 3 - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
}

const wrong = (param: string, sentence: string) => new HttpError(400, `${param}: ${sentence}`, { param });
