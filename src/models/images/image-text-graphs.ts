import { Graph, sym } from "../../graph/index.ts";
import type { ImageText } from "./image-text.ts";

const batch = sym("batch");
const tokens = sym("tokens");

/** `ids` and `mask` → `embedding` [batch, width]: a vector of length 1 for each text. */
export function traceTexts(model: ImageText): Graph {
  const g = new Graph();
  const input = { ids: g.input("ids", "i64", [batch, tokens]), mask: g.input("mask", "i32", [batch, tokens]) };
  g.output("embedding", model.textVectors(g, input));
  return g;
}

/** `pixels` [images, channels, side, side] → `embedding` [images, width]: a vector of length 1 for each image. */
export function traceImages(model: ImageText, images: number): Graph {
  const { channels, imageSize } = model.image.config;
  const g = new Graph();
  g.output("embedding", model.imageVectors(g, g.input("pixels", "f32", [images, channels, imageSize, imageSize])));
  return g;
}

/** Layers whose tokens can be read, counted from the end: the last, or the one before it, which LLaVA reads. */
export const featureLayers = [-1, -2] as const;
export type FeatureLayer = (typeof featureLayers)[number];

/** `pixels` of one image → `embedding` [1, tokens, hidden]: its tokens after a layer, before the final norm. */
export function traceImageTokens({ image }: ImageText, layer: FeatureLayer): Graph {
  const g = new Graph();
  const { channels, imageSize, layers } = image.config;
  const pixels = g.input("pixels", "f32", [1, channels, imageSize, imageSize]);
  g.output("embedding", image.stream(g, pixels, layers + 1 + layer));
  return g;
}
