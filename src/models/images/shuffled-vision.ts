import { type Graph, reshape, type Tensor, transpose } from "../../graph/index.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import type { ImagePlace, SquareVision } from "./vision.ts";

export interface ShuffledVisionConfig extends ImagePlace {
  /** The number of patches per side of a square of patches, which becomes one row. */
  readonly scale: number;
}

/** Computes a row of a decoder's residual stream for each square of `scale` patches per side. */
export abstract class RowsOfSquares<C extends ShuffledVisionConfig> {
  constructor(
    readonly config: C,
    readonly encoder: ImageEncoder,
    protected readonly weights: WeightSource,
  ) {}

  get tokens(): number {
    return this.#side ** 2;
  }

  get grid(): SquareVision["grid"] {
    return [this.#side, this.#side];
  }

  get #side(): number {
    return this.encoder.side / this.config.scale;
  }
}

/** Projects squares of patches to rows of a decoder's stream (Laurençon et al. 2024, Idefics3, section 4.1). */
export class ShuffledVision extends RowsOfSquares<ShuffledVisionConfig> implements SquareVision {
  readonly pictures = "tiles";

  rows(graph: Graph, pixels: Tensor): Tensor {
    const shuffled = shuffle(this.encoder.hidden(graph, pixels), this.encoder.side, this.config.scale);
    return new Parts(this.weights, graph).project(shuffled, { mm: this.config.hidden });
  }
}

/**
 * Patches [pictures, side², width] → [pictures, (side / scale)², scale² · width]: each row holds a square's patches, row by
 * row.
 */
export function shuffle(x: Tensor, side: number, scale: number): Tensor {
  const [pictures, , width] = x.shape as [number, number, number];
  const fewer = side / scale;
  const apart = reshape(x, [pictures, fewer, scale, fewer, scale, width]);
  return reshape(transpose(apart, [0, 1, 3, 2, 4, 5]), [pictures, fewer ** 2, scale ** 2 * width]);
}
