/** The size of a picture that stands upright, in pixels. */
export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** A picture as bytes: rows from the top, three channels (red, green, blue) a pixel. */
export interface Pixels extends PictureSize {
  readonly data: Uint8Array;
}

export const CHANNELS = 3;
