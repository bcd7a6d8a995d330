import type { Graph, Tensor } from "../../graph/index.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { Architecture } from "../decoder/decoder.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import type { InternVision } from "./intern-vision.ts";
import type { MergedVision } from "./merged-vision.ts";
import type { FittedVision } from "./projected-vision.ts";

/** The way images appear in a decoder's prompts. */
export interface ImagePlace {
  /** The width of the decoder's residual stream. */
  readonly hidden: number;
  /** The prompt token that is replaced by an image's rows. */
  readonly imageToken: number;
  /** The number of layers, from the first on, after each of which an image adds to the stream; by default 0. */
  readonly adding?: number;
}

/** The width of an image's row: the stream's values, then the values to add after each of the first layers. */
export const rowWidth = ({ hidden, adding = 0 }: ImagePlace): number => hidden * (1 + adding);

/** The part of a vision–language model that turns images into rows of its decoder's residual stream. */
export type Vision = PlainVision | FramedVision | InternVision | FittedVision | MergedVision;

/** An image encoder that reads an image as one picture, or as tiles, each preceded by its name. */
type PlainVision = SquareVision & { readonly pictures: "one" | "tiles" };

/** An image encoder that reads an image as one picture, with its rows between two tokens. */
export interface FramedVision extends SquareVision {
  readonly pictures: "framed";
  readonly frame: readonly [begin: number, end: number];
  /** The text on both sides of an image's token in a prompt. */
  readonly gap: string;
}

/** An image encoder that reads square images of one size. */
export interface SquareVision {
  readonly config: ImagePlace;
  readonly encoder: ImageEncoder;
  /**
   * The way an image becomes square pictures: one picture; one picture between two tokens; tiles and the entire image,
   * with tokens around each or around all of them; or the entire image and tiles at a fitting resolution.
   */
  readonly pictures: "one" | "framed" | "tiles" | "shaped" | "fitted";
  /** The number of rows of one square image. */
  readonly tokens: number;
  /** The size of the grid that an image's rows form, in row-major order, if they form one. */
  readonly grid: readonly [rows: number, columns: number] | undefined;
  /** Computes rows [pictures, rows, hidden] from pixels [pictures, channels, side, side]. `pictures` is fixed, not symbolic. */
  rows(graph: Graph, pixels: Tensor): Tensor;
}

/** The architecture of a vision–language model: its decoder, and its image encoder. */
export interface VisionLanguageArchitecture extends Architecture {
  /** A checkpoint's tensors that the image encoder does not use: the decoder's, and layers that do not run. */
  unreadVision(checkpoint: Checkpoint): readonly string[];
  vision(weights: WeightSource): Vision;
  /** True for optional image tensors that a newly created model has. */
  hasNewTensor(config: ConfigSource, canonical: string): boolean;
}
