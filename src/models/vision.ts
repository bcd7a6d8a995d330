import { type Graph, split, type Tensor } from "../graph/index.ts";
import { type Activation, activateMlp } from "../nn/mlp.ts";
import type { Checkpoint, ConfigSource } from "../weights/checkpoint.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import type { Architecture } from "./decoder.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import { Parts } from "./parts.ts";

/** The way from an encoder of images to the stream of a decoder. */
export interface VisionConfig {
  /** Layers of the encoder that run; their stream is taken without its last norm. */
  readonly layers: number;
  /** True if an image's rows are all of the encoder's but the first, which is mostly that of the whole image. */
  readonly dropsFirst: boolean;
  /** Width of the decoder's stream. */
  readonly hidden: number;
  readonly activation: Activation;
  /** The token of a prompt in whose place an image's rows are put. */
  readonly imageToken: number;
}

/** The part of a vision–language model that turns an image into rows of its decoder's stream (Liu et al. 2023, LLaVA-1.5). */
export class Vision {
  constructor(
    readonly config: VisionConfig,
    readonly encoder: ImageEncoder,
    private readonly weights: WeightSource,
  ) {}

  /** Rows of an image. */
  get tokens(): number {
    return this.encoder.tokens - (this.config.dropsFirst ? 1 : 0);
  }

  /** The patches' rows and columns if an image's rows are its patches alone, row by row. */
  get grid(): readonly [rows: number, columns: number] | undefined {
    const { side, config } = this.encoder;
    return config.classToken === this.config.dropsFirst ? [side, side] : undefined;
  }

  /** Pixels [images, channels, side, side] → [images, rows, hidden]. `images` is a number. */
  rows(graph: Graph, pixels: Tensor): Tensor {
    const { layers, dropsFirst, hidden, activation } = this.config;
    const all = this.encoder.stream(graph, pixels, layers);
    const kept = dropsFirst ? split(all, 1, [1, this.tokens])[1]! : all;
    const parts = new Parts(this.weights, graph);
    return parts.project(activateMlp(parts.project(kept, { "mm.0": hidden }), activation, false), { "mm.2": hidden });
  }
}

/** The architecture of a vision–language model: a decoder's, and the part that reads images. */
export interface VisionLanguageArchitecture extends Architecture {
  /** A checkpoint's tensors that the part does not read: those of the decoder, and those of layers that do not run. */
  unreadVision(checkpoint: Checkpoint): readonly string[];
  vision(weights: WeightSource): Vision;
  /** True for the optional tensors that the part has in a new model. */
  hasNewTensor(config: ConfigSource, canonical: string): boolean;
}
