import type { Graph, Tensor } from "../../graph/index.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";

/** The widths of a projector from one model's hidden states to another's residual stream. */
export interface ProjectorConfig {
  readonly from: number;
  readonly inner: number;
  readonly to: number;
}

/**
 * Linear, GELU, linear (Berrayana et al. 2025, arXiv 2510.15244), then an RMS norm whose gain makes the result as large
 * as rows of a token table: x [batch, rows, from] → [batch, rows, to].
 */
export function projected(graph: Graph, weights: WeightSource, x: Tensor, { inner, to }: ProjectorConfig): Tensor {
  const parts = new Parts(weights, graph);
  const inside = activateMlp(
    parts.project(x, { "projector.up": inner }, () => true),
    "gelu",
    false,
  );
  const out = parts.project(inside, { "projector.down": to }, () => true);
  return normalise(out, parts.norm("projector.norm", to, { norm: "rms", epsilon: 1e-6 }));
}
