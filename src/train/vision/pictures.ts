import { readImage } from "../../engine/images/pixels/input.ts";
import type { Pixels } from "../../engine/images/pixels/pixels.ts";
import { type ImageProcessor, normalisePixels, sized } from "../../engine/images/pixels/processor.ts";
import type { SquareVision } from "../../models/images/vision.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { recordsIn, type SeenRecord } from "../data/records.ts";
import { framed, type Sample, shifted } from "../data/samples.ts";
import type { DataFile } from "../data/source.ts";

/** The number of pictures decoded at the same time. */
const AT_ONCE = 16;

/** The paths of all pictures in data files. @throws UserError */
export function picturesIn(files: readonly DataFile[]): string[] {
  const records = files.flatMap(recordsIn);
  return [...new Set(records.flatMap(({ record }) => (record.kind === "seen" ? [record.image] : [])))];
}

/** Reads the pictures at these paths, at the model's input size. @throws UserError */
export async function readPictures(paths: readonly string[], processor: ImageProcessor): Promise<Map<string, Pixels>> {
  const pictures = new Map<string, Pixels>();
  for (let at = 0; at < paths.length; at += AT_ONCE)
    await Promise.all(
      paths.slice(at, at + AT_ONCE).map(async (path, i) => {
        pictures.set(path, await sized(await readImage({ image: path }, at + i), processor));
      }),
    );
  return pictures;
}

/**
 * Makes a sample from questions about a picture: the picture's tokens, then each prompt and its answer, whose tokens
 * are labels.
 */
export const seenReader =
  (tokenizer: Tokenizer, vision: SquareVision, pictures: ReadonlyMap<string, Pixels>, processor: ImageProcessor) =>
  ({ image, questions }: SeenRecord): Sample => {
    const { before, behind } = framed(tokenizer);
    const picture = pictures.get(image)!;
    const ids = [...before, ...new Array<number>(vision.tokens).fill(vision.config.imageToken)];
    const labelled = ids.map(() => false);
    for (const { prompt, answer } of questions) {
      const [question, answered] = [tokenizer.encode(prompt), [...tokenizer.encode(answer), ...behind]];
      ids.push(...question, ...answered);
      labelled.push(...question.map(() => false), ...answered.map(() => true));
    }
    return {
      ...shifted(ids, labelled),
      ...(vision.grid && { visual: [{ first: before.length, grid: vision.grid }] }),
      image: { at: before.length, pixels: () => normalisePixels(picture, processor) },
    };
  };
