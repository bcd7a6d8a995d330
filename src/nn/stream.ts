import { plus, type Tensor } from "../graph/index.ts";
import { addAndNormalise, type Norm, normalise } from "./norm.ts";

/** The residual stream between sublayers: hidden = branch + residual. One kernel computes this sum and the next norm. */
export interface Stream {
  readonly branch: Tensor;
  readonly residual?: Tensor;
}

/** Normalises the stream: returns the sublayer's input, and the residual to which its output is added. */
export function enter({ branch, residual }: Stream, norm: Norm): { normed: Tensor; residual: Tensor } {
  if (residual === undefined) return { normed: normalise(branch, norm), residual: branch };
  return addAndNormalise(branch, residual, norm);
}

/** The stream as one tensor. */
export const settle = ({ branch, residual }: Stream): Tensor =>
  residual === undefined ? branch : plus(branch, residual);
