import { type Graph, pool, reshape, type Tensor } from "../../graph/index.ts";
import { normalise } from "../../nn/norm.ts";
import { Parts } from "../tensors/parts.ts";
import { ones } from "./image-encoder.ts";
import { RowsOfSquares, type ShuffledVisionConfig, shuffle } from "./shuffled-vision.ts";
import type { SquareVision } from "./vision.ts";

export interface PooledVisionConfig extends ShuffledVisionConfig {
  /** The token after an image's rows; `imageToken` comes before the rows. */
  readonly endToken: number;
}

/**
 * Encodes an image between two tokens; each row is the mean of a square of patches, normalised and projected (Gemma
 * Team 2025, Gemma 3, section 2.1).
 */
export class PooledVision extends RowsOfSquares<PooledVisionConfig> implements SquareVision {
  readonly pictures = "framed";
  /** The text that the model's processor inserts on both sides of an image. */
  readonly gap = "\n\n";

  get frame(): readonly [begin: number, end: number] {
    return [this.config.imageToken, this.config.endToken];
  }

  rows(graph: Graph, pixels: Tensor): Tensor {
    const { hidden: width, epsilon } = this.encoder.config;
    const patches = this.encoder.hidden(graph, pixels);
    const { scale } = this.config;
    const pictures = Number(patches.shape[0]);
    const shape = [pictures * this.tokens, scale ** 2] as [number, number];
    const squares = reshape(shuffle(patches, this.encoder.side, scale), [...shape, width]);
    const means = pool(squares, ones(graph, shape), "mean");
    const parts = new Parts(this.weights, graph);
    const norm = parts.norm("mm.norm", width, { norm: "rms", epsilon });
    return parts.project(normalise(reshape(means, [pictures, this.tokens, width]), norm), { mm: this.config.hidden });
  }
}
