import { Buffer } from "node:buffer";
import path from "node:path";
import { z } from "zod";
import { asInput, type PictureSize } from "../../../engine/images/imagine/picture.ts";
import { decodeImage } from "../../../engine/images/pixels/decode.ts";
import { readImage } from "../../../engine/images/pixels/input.ts";
import { checked } from "../../../util/checked.ts";
import { inFile, UserError } from "../../../util/errors.ts";
import { hashOf, readText } from "../../data/files.ts";

/** A training image: [channels, side, side], between −1 and 1. */
export interface LabelledImage {
  readonly pixels: Float32Array;
  /** The image's class; undefined if it has none. */
  readonly label: string | undefined;
  /** The image's file and line. */
  readonly where: string;
}

export interface LabelledImages {
  readonly images: readonly LabelledImage[];
  /** SHA-256 of the files' contents. */
  readonly hash: string;
}

const record = z.object({
  image: z.string().min(1),
  label: z.union([z.string(), z.int().min(0).transform(String)]).optional(),
});

const INLINE = /^data:image\/\w+;base64,/;

/**
 * Reads JSON lines with `image`, a data URI or a path relative to the JSON file, and `label`. @throws UserError with
 * file and line, also for an image that differs in size from the network's
 */
export async function readLabelledImages(files: readonly string[], size: PictureSize): Promise<LabelledImages> {
  const texts = files.map(readText);
  const images: LabelledImage[] = [];
  for (const [i, file] of files.entries())
    for (const { where, line } of linesOf(file, texts[i]!)) {
      const { image, label } = inFile(where, () => checked(record, parsed(line)));
      const pixels = INLINE.test(image)
        ? await decodeImage(Buffer.from(image.replace(INLINE, ""), "base64"), where)
        : await readImage({ image: path.resolve(path.dirname(file), image) }, images.length);
      images.push({ pixels: asInput(pixels, size, where), label, where });
    }
  if (images.length === 0) throw new UserError(`${files.join(", ")}: there are no images`);
  return { images, hash: hashOf(texts) };
}

const linesOf = (file: string, text: string) =>
  text.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [{ where: `${file}: line ${i + 1}`, line }]));

/** @throws UserError */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new UserError('expected JSON with "image" and "label"');
  }
}
