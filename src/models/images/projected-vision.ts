import { type Graph, split, type Tensor } from "../../graph/index.ts";
import { type Activation, activateMlp } from "../../nn/mlp.ts";
import { UserError } from "../../util/errors.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import type { ImagePlace, SquareVision } from "./vision.ts";

/** The way from an encoder of images to the stream of a decoder. */
export interface ProjectedVisionConfig extends ImagePlace {
  /** Layers of the encoder that run; their stream is taken without its last norm. */
  readonly layers: number;
  /** True if an image's rows are all of the encoder's but the first, which is mostly that of the whole image. */
  readonly dropsFirst: boolean;
  readonly activation: Activation;
}

/** Two layers that project an encoder's tokens into a decoder's stream. */
abstract class Projection implements Omit<SquareVision, "pictures"> {
  constructor(
    readonly config: ProjectedVisionConfig,
    readonly encoder: ImageEncoder,
    protected readonly weights: WeightSource,
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

/** Images as one picture (Liu et al. 2023, LLaVA-1.5). */
export class ProjectedVision extends Projection {
  readonly pictures = "one";
}

/** The tensor of the row that ends each line of an image's tiles. */
export const LINE_END = "image_newline";

/** Images as the whole and as tiles of the size that fits best (Liu et al. 2024, LLaVA-NeXT). */
export class FittedVision extends Projection {
  readonly pictures = "fitted";

  /** The row of the stream behind each line of the tiles, [hidden]. @throws UserError if the model has none */
  get lineEnd(): Float32Array {
    const row = this.weights.values(LINE_END);
    if (row?.length === this.config.hidden) return row;
    throw new UserError(`${this.weights.config.path}: expected ${LINE_END}, ${this.config.hidden} numbers`);
  }
}
