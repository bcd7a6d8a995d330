import { silu, split, type Tensor, times } from "../graph/index.ts";
import type { Matrix } from "../weights/prepared/weights.ts";
import { project } from "./linear.ts";

/** Gated feed-forward, SwiGLU (Shazeer 2020): down(silu(gate x) · up x); gate and up are one stacked matrix. */
export function gatedMlp(x: Tensor, gateUp: Matrix, down: Matrix, hidden: number): Tensor {
  const [gate, up] = split(project(x, gateUp), 2, [hidden, hidden]) as [Tensor, Tensor];
  return project(times(silu(gate), up), down);
}
