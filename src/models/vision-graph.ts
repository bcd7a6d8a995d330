import { Graph } from "../graph/index.ts";
import type { Vision } from "./vision.ts";

/** `pixels` [1, channels, side, side] → `embedding` [1, tokens, hidden]: the rows of an image in a decoder's stream. */
export function traceVision(vision: Vision): Graph {
  const { channels, imageSize } = vision.encoder.config;
  const g = new Graph();
  g.output("embedding", vision.rows(g, g.input("pixels", "f32", [1, channels, imageSize, imageSize])));
  return g;
}
