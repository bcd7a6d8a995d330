import { type Graph, split, type Tensor } from "../../graph/index.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import { Parts } from "../tensors/parts.ts";
import { RowsOfSquares, type ShuffledVisionConfig, shuffle } from "./shuffled-vision.ts";
import type { SquareVision } from "./vision.ts";

/** PyTorch's default epsilon, which the projection's code uses. */
const EPSILON = 1e-5;

/**
 * Encodes an image's tiles and the entire image, between two tokens; two layers project normalised squares of
 * neighbouring patches to rows of a decoder's residual stream (Chen et al. 2024, InternVL 1.5, section 3.1).
 */
export class InternVision extends RowsOfSquares<ShuffledVisionConfig> implements SquareVision {
  readonly pictures = "shaped";
  /** The tokens around an image's rows. */
  readonly frame = ["<img>", "</img>"] as const;

  rows(graph: Graph, pixels: Tensor): Tensor {
    const { encoder, config } = this;
    const { layers, hidden: width } = encoder.config;
    const all = encoder.stream(graph, pixels, layers);
    const patches = split(all, 1, [1, encoder.tokens - 1])[1]!;
    const squares = shuffle(patches, encoder.side, config.scale);
    const parts = new Parts(this.weights, graph);
    const norm = parts.norm("mm.norm", config.scale ** 2 * width, { norm: "layer", epsilon: EPSILON });
    const inside = parts.project(normalise(squares, norm), { "mm.0": config.hidden });
    return parts.project(activateMlp(inside, "gelu", false), { "mm.2": config.hidden });
  }
}
