import { UserError } from "../../../util/errors.ts";
import { CHANNELS, type Pixels } from "../pixels/pixels.ts";

/** Sizes of a model's images. */
export interface PictureSize {
  readonly channels: number;
  /** Pixels per side. */
  readonly imageSize: number;
}

/**
 * A picture in a network's format: [channels, side, side], within −1 and 1; if there is one channel, the mean of red,
 * green and blue.
 * @throws UserError for a picture of another size; `where` names it
 */
export function asInput(
  { width, height, data }: Pixels,
  { channels, imageSize }: PictureSize,
  where: string,
): Float32Array {
  if (width !== imageSize || height !== imageSize)
    throw new UserError(
      `${where}: the image has ${width} × ${height} pixels, expected the network's ${imageSize} × ${imageSize}`,
    );
  const area = width * height;
  const level = (value: number) => value / 127.5 - 1;
  return Float32Array.from({ length: channels * area }, (_, i) => {
    const at = CHANNELS * (i % area);
    return level(
      channels === 1 ? (data[at]! + data[at + 1]! + data[at + 2]!) / CHANNELS : data[at + Math.floor(i / area)]!,
    );
  });
}
