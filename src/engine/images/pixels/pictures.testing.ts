import { Buffer as Bytes } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { decodeImage } from "./decode.ts";
import { type ImageProcessor, normalisePixels, type PixelScale, sized } from "./processor.ts";

export const fixtures: string = fileURLToPath(new URL("../../../models/fixtures", import.meta.url));

/** Fixture folders with a file of this name. */
export const foldersWith = (file: string): string[] =>
  readdirSync(fixtures).filter((name) => existsSync(path.join(fixtures, name, file)));

/** A reference picture: tools/reference/image_text.py. */
export const picture = (name: string): string => path.join(fixtures, "pictures", name);

/** Little-endian float32 in base64. */
export const unpack = (packed: string): Float32Array =>
  new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);

/** JPEG decoders may differ in the last bit, which changes a vector, so JPEGs are compared by their pixels. */
export const isExact = (file: string): boolean => !file.endsWith(".jpg");

/** Selects the rows of pictures that all decoders read alike; `packed` has one row per picture. */
export function exactRows(pictures: readonly string[], packed: string): Float32Array {
  const all = unpack(packed);
  const width = all.length / pictures.length;
  return all.filter((_, at) => isExact(pictures[Math.floor(at / width)]!));
}

/** The largest difference between a picture's pixel values, 0 to 255, and a reference: uint8 [3, height, width] in base64. */
export async function worstByte(processor: ImageProcessor, file: string, packed: string): Promise<number> {
  const sizedPicture = await sized(await decodeImage(readFileSync(picture(file)), file), processor);
  return worstOf(normalisePixels(sizedPicture, processor), processor, packed);
}

/** The largest difference between normalised pixels and a reference's bytes. */
export function worstOf(pixels: Float32Array, { mean, deviation }: PixelScale, packed: string): number {
  const bytes = Bytes.from(packed, "base64");
  if (pixels.length !== bytes.length) return Number.POSITIVE_INFINITY;
  const area = bytes.length / 3;
  const off = pixels.map((value, at) => {
    const channel = Math.floor(at / area);
    return Math.abs(255 * (value * deviation[channel]! + mean[channel]!) - bytes[at]!);
  });
  return Math.max(...off);
}
