import { readFile, stat } from "node:fs/promises";
import { UserError } from "../../../util/errors.ts";
import { readError } from "../../../util/system-errors.ts";
import { decodeImage, MOST_BYTES } from "./decode.ts";
import type { Pixels } from "./pixels.ts";

/** An image: the path of its file, or the file's bytes. */
export interface ImageInput {
  readonly image: string | Uint8Array;
}

export const isImage = (input: unknown): input is ImageInput =>
  typeof input === "object" && input !== null && "image" in input;

/** An image's undecoded bytes, and its name in errors. */
export interface ImageFile {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** Reads and decodes an image; `index` counts the inputs of a call. @throws UserError */
export async function readImage(input: ImageInput, index: number): Promise<Pixels> {
  const { bytes, name } = await imageFile(input, index);
  return decodeImage(bytes, name);
}

/** Resolves when the image in memory, and those that wait for it, are done. */
let turn: Promise<void> = Promise.resolve();

/**
 * Decodes images for `use` one at a time, over all calls, because a large one takes hundreds of megabytes.
 * @throws UserError
 */
export function withPixels<T>({ bytes, name }: ImageFile, use: (picture: Pixels) => Promise<T>): Promise<T> {
  const result = turn.then(async () => use(await decodeImage(bytes, name)));
  turn = result.then(
    () => undefined,
    () => undefined,
  );
  return result;
}

/** The file of an image; `index` counts the inputs of a call. @throws UserError */
export async function imageFile({ image }: ImageInput, index: number): Promise<ImageFile> {
  if (typeof image !== "string") return { bytes: image, name: `image ${index + 1}` };
  if (image === "") throw new UserError(`image ${index + 1}: the path is empty, expected a file's path`);
  if (image.startsWith("data:"))
    throw new UserError(`image ${index + 1}: this is a data: URL, expected the path of a file or its bytes`);
  if (/^\w+:\/\//.test(image))
    throw new UserError(`${image}: images are not fetched over a network, expected the path of a file or its bytes`);
  return { bytes: await bytesOf(image), name: image };
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MOST_BYTES) throw new UserError(`${file}: the image has ${size} bytes, expected at most ${MOST_BYTES}`);
    return await readFile(file);
  } catch (error) {
    throw readError(error, file);
  }
}
