import type { Graph, Tensor } from "../../graph/index.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { Architecture } from "../decoder/decoder.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import type { InternVision } from "./intern-vision.ts";
import type { MergedVision } from "./merged-vision.ts";
import type { FittedVision } from "./projected-vision.ts";

/** The place of images in a decoder's prompts. */
export interface ImagePlace {
  /** Width of the decoder's stream. */
  readonly hidden: number;
  /** The prompt token that is replaced by an image's rows. */
  readonly imageToken: number;
  /** The number of first decoder layers after which an image adds to the stream; absent if it adds to none. */
  readonly adding?: number;
}

/** Numbers in an image's row: the stream's, then those added to it. */
export const rowWidth = ({ hidden, adding = 0 }: ImagePlace): number => hidden * (1 + adding);

/** The part of a vision–language model that turns images into rows of its decoder's stream. */
export type Vision = PlainVision | FramedVision | InternVision | FittedVision | MergedVision;

/** An image part that reads images whole, or as tiles after their names. */
type PlainVision = SquareVision & { readonly pictures: "one" | "tiles" };

/** An image part that reads images whole, with their rows between two tokens. */
export interface FramedVision extends SquareVision {
  readonly pictures: "framed";
  readonly frame: readonly [begin: number, end: number];
  /** The text on both sides of an image's token in a prompt. */
  readonly gap: string;
}

/** An image part that reads square images of one size. */
export interface SquareVision {
  readonly config: ImagePlace;
  readonly encoder: ImageEncoder;
  /**
   * The square images made from one image: only itself; itself between two tokens; its tiles and itself, with tokens
   * around each or around all of them; or itself and the tiles of a fitting size.
   */
  readonly pictures: "one" | "framed" | "tiles" | "shaped" | "fitted";
  /** Rows of one square image. */
  readonly tokens: number;
  /** Rows and columns, if an image's rows form a grid, row by row. */
  readonly grid: readonly [rows: number, columns: number] | undefined;
  /** Pixels [pictures, channels, side, side] → [pictures, rows, hidden]. `pictures` is a number. */
  rows(graph: Graph, pixels: Tensor): Tensor;
}

/** The architecture of a vision–language model: a decoder's, and the image part. */
export interface VisionLanguageArchitecture extends Architecture {
  /** A checkpoint's tensors that the image part does not use: the decoder's, and layers that do not run. */
  unreadVision(checkpoint: Checkpoint): readonly string[];
  vision(weights: WeightSource): Vision;
  /** True for the optional tensors of the image part in a new model. */
  hasNewTensor(config: ConfigSource, canonical: string): boolean;
}
