/** The size of an upright picture, in pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** A picture as bytes: rows from the top, with three channels (red, green, blue) per pixel. */
export interface Pixels extends PictureSize {
  readonly data: Uint8Array;
}

export const CHANNELS = 3;
