import { type Graph, split, type Tensor } from "../graph/index.ts";
import { type Activation, activateMlp } from "../nn/mlp.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import { Parts } from "./parts.ts";
import type { ImagePlace, SquareVision } from "./vision.ts";

/** The way from an encoder of images to the stream of a decoder. */
export interface ProjectedVisionConfig extends ImagePlace {
  /** Layers of the encoder that run; their stream is taken without its last norm. */
  readonly layers: number;
  /** True if an image's rows are all of the encoder's but the first, which is mostly that of the whole image. */
  readonly dropsFirst: boolean;
  readonly activation: Activation;
}

/** Two layers that project an encoder's tokens into a decoder's stream (Liu et al. 2023, LLaVA-1.5). */
export class ProjectedVision implements SquareVision {
  readonly pictures = "one";

  constructor(
    readonly config: ProjectedVisionConfig,
    readonly encoder: ImageEncoder,
    private readonly weights: WeightSource,
  ) {}

  get tokens(): number {
    return this.encoder.tokens - (this.config.dropsFirst ? 1 : 0);
  }

  get grid(): SquareVision["grid"] {
    const { side, config } = this.encoder;
    return config.classToken === this.config.dropsFirst ? [side, side] : undefined;
  }

  rows(graph: Graph, pixels: Tensor): Tensor {
    const { layers, dropsFirst, hidden, activation } = this.config;
    const all = this.encoder.stream(graph, pixels, layers);
    const kept = dropsFirst ? split(all, 1, [1, this.tokens])[1]! : all;
    const parts = new Parts(this.weights, graph);
    return parts.project(activateMlp(parts.project(kept, { "mm.0": hidden }), activation, false), { "mm.2": hidden });
  }
}
