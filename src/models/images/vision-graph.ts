import { Graph } from "../../graph/index.ts";
import type { MergedVision } from "./merged-vision.ts";
import { tracePatches } from "./patch-inputs.ts";
import type { SquareVision, Vision } from "./vision.ts";

/** `pixels` [1, channels, side, side] → `embedding` [1, tokens, hidden]: an image's rows in a decoder's stream. */
export function traceVision(vision: SquareVision): Graph {
  const { channels, imageSize } = vision.encoder.config;
  const g = new Graph();
  g.output("embedding", vision.rows(g, g.input("pixels", "f32", [1, channels, imageSize, imageSize])));
  return g;
}

/** The inputs of `patchInputs` → `embedding` [1, rows, rowWidth]. */
export function traceMerged(vision: MergedVision): Graph {
  const g = new Graph();
  g.output("embedding", vision.rows(g, tracePatches(g, vision.encoder)));
  return g;
}

/** Traces the graph of any image encoder. */
export const traceAnyVision = (vision: Vision): Graph =>
  vision.pictures === "patches" ? traceMerged(vision) : traceVision(vision);
