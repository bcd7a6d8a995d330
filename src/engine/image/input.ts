import { readFile, stat } from "node:fs/promises";
import { UserError } from "../../util/errors.ts";
import { decodeImage, MOST_BYTES } from "./decode.ts";
import type { Pixels } from "./pixels.ts";

/** An image: the path of its file, or the file's bytes. */
export interface ImageInput {
  readonly image: string | Uint8Array;
}

export const isImage = (input: unknown): input is ImageInput =>
  typeof input === "object" && input !== null && "image" in input;

/** Reads and decodes an image; `index` counts the inputs of a call. @throws UserError */
export async function readImage({ image }: ImageInput, index: number): Promise<Pixels> {
  if (typeof image !== "string") return decodeImage(image, `image ${index + 1}`);
  if (image === "") throw new UserError(`image ${index + 1}: the path is empty, expected that of a file`);
  if (image.startsWith("data:"))
    throw new UserError(`image ${index + 1}: this is a data: URL, expected the path of a file or its bytes`);
  if (/^\w+:\/\//.test(image))
    throw new UserError(`${image}: images are not fetched over a network, expected the path of a file or its bytes`);
  return decodeImage(await bytesOf(image), image);
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MOST_BYTES) throw new UserError(`${file}: the image has ${size} bytes, expected at most ${MOST_BYTES}`);
    return await readFile(file);
  } catch (error) {
    if (error instanceof UserError || !(error instanceof Error)) throw error;
    throw new UserError(`${file}: the file cannot be read (${error.message.split(",")[0]})`);
  }
}
