import { type Graph, split, type Tensor } from "../../graph/index.ts";
import { type Activation, activateMlp } from "../../nn/mlp.ts";
import { UserError } from "../../util/errors.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import type { ImagePlace, SquareVision } from "./vision.ts";

/** The way an image encoder's outputs enter a decoder's residual stream. */
export interface ProjectedVisionConfig extends ImagePlace {
  /** The number of encoder layers to run; their output is used without the final norm. */
  readonly layers: number;
  /** True to drop the encoder's first row, usually that of the class token. */
  readonly dropsFirst: boolean;
  readonly activation: Activation;
}

/** Two layers that project an encoder's tokens into a decoder's residual stream. */
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
    const patches = dropsFirst ? split(all, 1, [1, this.tokens])[1]! : all;
    const parts = new Parts(this.weights, graph);
    return parts.project(activateMlp(parts.project(patches, { "mm.0": hidden }), activation, false), {
      "mm.2": hidden,
    });
  }
}

/** Encodes single images (Liu et al. 2023, LLaVA-1.5). */
export class ProjectedVision extends Projection {
  readonly pictures = "one";
}

/** The tensor with the row that ends each line of an image's tiles. */
export const LINE_END = "image_newline";

/** Encodes an entire image, and its tiles at the best-fitting resolution (Liu et al. 2024, LLaVA-NeXT). */
export class FittedVision extends Projection {
  readonly pictures = "fitted";

  /** The row that ends each line of the tiles, [hidden]. @throws UserError if the model has no such row */
  get lineEnd(): Float32Array {
    const row = this.weights.values(LINE_END);
    if (row?.length === this.config.hidden) return row;
    throw new UserError(`${this.weights.config.path}: expected ${LINE_END}, ${this.config.hidden} numbers`);
  }
}
