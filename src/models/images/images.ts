import { concat, type Graph, pool, reshape, split, type Tensor, unit } from "../../graph/index.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import { type ImageEncoder, ones } from "./image-encoder.ts";

/** The input of an image classifier: the first token's vector, or this vector and the mean of the others. */
type Pooling = "first" | "first and mean";

/** An image-only encoder, which may have a classifier's head. */
export class Images {
  constructor(
    readonly image: ImageEncoder,
    private readonly weights: WeightSource,
    private readonly read: Pooling,
  ) {}

  /** The number of classes of the head; 0 without a head. */
  get classes(): number {
    return this.weights.has("classifier.weight") ? this.image.config.labels : 0;
  }

  /** Vectors of images, of length 1, [batch, hidden]; pixels [batch, channels, side, side] with a known batch. */
  vectors(graph: Graph, pixels: Tensor): Tensor {
    return unit(this.image.pooled(graph, pixels));
  }

  /** Scores of the classes, [batch, classes], before any softmax or sigmoid. */
  scores(graph: Graph, pixels: Tensor): Tensor {
    const hidden = this.image.hidden(graph, pixels);
    const [batch, tokens, width] = hidden.shape as [number, number, number];
    const [first, others] = split(hidden, 1, [1, tokens - 1]) as [Tensor, Tensor];
    const mean = () => reshape(pool(others, ones(graph, [batch, tokens - 1]), "mean"), [batch, 1, width]);
    const read = this.read === "first" ? first : concat([first, mean()], 2);
    const scores = new Parts(this.weights, graph).project(read, { classifier: this.classes });
    return reshape(scores, [batch, this.classes]);
  }
}

/** An architecture for images only. */
export interface ImageArchitecture {
  tensors(checkpoint: Checkpoint): Names;
  /** Unused tensors. */
  unread(checkpoint: Checkpoint): string[];
  /** Opens a model for images of `side` pixels. @throws UserError if it supports only images of a different size */
  open(weights: WeightSource, side?: number): Images;
}
