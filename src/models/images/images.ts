import { concat, type Graph, pool, reshape, split, type Tensor, unit } from "../../graph/index.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import { type ImageEncoder, ones } from "./image-encoder.ts";

/** The vector that a classifier of images reads: the first token's, or beside it the mean of the others. */
type Read = "first" | "first and mean";

/** An encoder of images alone, which may have a classifier's head. */
export class Images {
  constructor(
    readonly image: ImageEncoder,
    private readonly weights: WeightSource,
    private readonly read: Read,
  ) {}

  /** Classes of the head; 0 if there is none. */
  get classes(): number {
    return this.weights.has("classifier.weight") ? this.image.config.labels : 0;
  }

  /** Vectors of images, of length 1, [batch, hidden]; pixels [batch, channels, side, side], of as many as are known. */
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

/** An architecture of images alone. */
export interface ImageArchitecture {
  tensors(checkpoint: Checkpoint): Names;
  /** Tensors that are not read. */
  unread(checkpoint: Checkpoint): string[];
  /** Opens a model for images of `side` pixels. @throws UserError if it reads images of another size alone */
  open(weights: WeightSource, side?: number): Images;
}
