import { type Graph, split, type Tensor } from "../../graph/index.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { ImageEncoder } from "./image-encoder.ts";
import { type ShuffledVisionConfig, shuffle } from "./shuffled-vision.ts";
import type { SquareVision } from "./vision.ts";

/** PyTorch's default, which the code of the projection has. */
const EPSILON = 1e-5;

/**
 * Tiles of an image and the whole of it between two tokens; squares of neighbouring patches, normalised, are projected by
 * two layers to rows of a decoder's stream (Chen et al. 2024, InternVL 1.5, section 3.1).
 */
export class InternVision implements SquareVision {
  readonly pictures = "shaped";
  /** The tokens around an image's rows. */
  readonly frame = ["<img>", "</img>"] as const;

  constructor(
    readonly config: ShuffledVisionConfig,
    readonly encoder: ImageEncoder,
    private readonly weights: WeightSource,
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
