import { UserError } from "../../../util/errors.ts";

/** A picture as bytes: rows from the top, with 1 channel (grey) or 3 (red, green, blue) per pixel. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Encodes a PNG. @throws UserError for a number of channels that a PNG does not support */
export async function encodePng({ data, width, height, channels }: Picture): Promise<Uint8Array> {
  if (channels !== 1 && channels !== 3)
    throw new UserError(`a picture has ${channels} channels, expected 1 or 3 for a PNG`);
  const { default: sharp } = await import("sharp");
  const image = sharp(data, { raw: { width, height, channels } });
  return (channels === 1 ? image.toColourspace("b-w") : image).png().toBuffer();
}
