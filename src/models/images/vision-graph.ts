import { Graph, sym } from "../../graph/index.ts";
import type { MergedVision } from "./merged-vision.ts";
import type { SquareVision, Vision } from "./vision.ts";

/** `pixels` [1, channels, side, side] → `embedding` [1, tokens, hidden]: the rows of an image in a decoder's stream. */
export function traceVision(vision: SquareVision): Graph {
  const { channels, imageSize } = vision.encoder.config;
  const g = new Graph();
  g.output("embedding", vision.rows(g, g.input("pixels", "f32", [1, channels, imageSize, imageSize])));
  return g;
}

/** `patches` [rows, merge², numbers], their `rows` and `columns` i64 and a `mask` of ones i32 [rows, merge²] → `embedding` [1, rows, hidden]. */
export function traceMerged(vision: MergedVision): Graph {
  const g = new Graph();
  const shape = [sym("rows"), vision.encoder.config.merge ** 2];
  const values = g.input("patches", "f32", [...shape, vision.encoder.patchWidth]);
  const [rows, columns] = [g.input("rows", "i64", shape), g.input("columns", "i64", shape)];
  g.output("embedding", vision.rows(g, { values, rows, columns, mask: g.input("mask", "i32", shape) }));
  return g;
}

/** The graph of any part that reads images. */
export const traceAnyVision = (vision: Vision): Graph =>
  vision.pictures === "patches" ? traceMerged(vision) : traceVision(vision);
