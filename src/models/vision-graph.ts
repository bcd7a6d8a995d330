import { Graph } from "../graph/index.ts";
import type { Vision } from "./vision.ts";

/** `pixels` [1, channels, side, side] → `rows` [1, tokens, hidden] of a decoder's stream. */
export function traceVision(vision: Vision): Graph {
  const { channels, imageSize } = vision.encoder.config;
  const g = new Graph();
  g.output("rows", vision.rows(g, g.input("pixels", "f32", [1, channels, imageSize, imageSize])));
  return g;
}
