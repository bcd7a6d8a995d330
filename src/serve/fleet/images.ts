import { isObject, type JsonObject } from "../../weights/json.ts";
import { HttpError } from "../http/errors.ts";
import type { Limits } from "../limits.ts";

/** An image of a chat, and the field that holds it. */
interface Image {
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
    const bytes = bytesIn(url);
    if (bytes === undefined) throw wrong(param, "expected a PNG, JPEG, GIF or WebP image as whole base64");
    if (bytes > maxImage) throw wrong(param, `expected an image of at most ${maxImage} bytes, got one of ${bytes}`);
  }
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const imagesIn = (message: unknown, at: number): Image[] =>
  listOf(isObject(message) && message["content"]).flatMap((part, i) => {
    const image = isObject(part) && part["image_url"];
    const param = `messages.${at}.content.${i}.image_url.url`;
    return isObject(image) ? [{ url: String(image["url"]), param }] : [];
  });

/** Kinds that hold pixels and refer to nothing, as SVG does. */
const KINDS = /^data:image\/(png|jpe?g|gif|webp);base64,/;

/** The number of bytes after decoding; undefined if the URL is not such an image. */
function bytesIn(url: string): number | undefined {
  const [head] = KINDS.exec(url) ?? [];
  const length = url.length - (head?.length ?? 0);
  if (head === undefined || length === 0 || length % 4 !== 0) return undefined;
  return (length / 4) * 3 - (url.endsWith("==") ? 2 : url.endsWith("=") ? 1 : 0);
}

const wrong = (param: string, sentence: string) => new HttpError(400, `${param}: ${sentence}`, { param });
