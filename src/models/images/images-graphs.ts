import { Graph, type Tensor } from "../../graph/index.ts";
import type { Images } from "./images.ts";

function traced({ image }: Images, output: (g: Graph, pixels: Tensor) => Tensor): Graph {
  const { channels, imageSize } = image.config;
  const g = new Graph();
  g.output("embedding", output(g, g.input("pixels", "f32", [1, channels, imageSize, imageSize])));
  return g;
}

/** `pixels` [1, channels, side, side] → `embedding` [1, hidden]: a vector of length 1. */
export const traceImageVector = (model: Images): Graph => traced(model, (g, pixels) => model.vectors(g, pixels));

/** `pixels` [1, channels, side, side] → `embedding` [1, classes]: the classifier's scores, before any softmax or sigmoid. */
export const traceImageScores = (model: Images): Graph => traced(model, (g, pixels) => model.scores(g, pixels));
