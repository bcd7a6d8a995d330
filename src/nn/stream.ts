import { plus, rmsNorm, skipRmsNorm, type Tensor } from "../graph/index.ts";

/** The residual stream between sublayers: hidden = branch + residual, added where the next norm needs it, in one kernel with it. */
export interface Stream {
  readonly branch: Tensor;
  readonly residual?: Tensor;
}

/** Normalises the stream: the sublayer's input, and the residual that its output is to be added to. */
export function enter(
  { branch, residual }: Stream,
  gain: Tensor,
  epsilon: number,
): { normed: Tensor; residual: Tensor } {
  if (residual === undefined) return { normed: rmsNorm(branch, gain, epsilon), residual: branch };
  return skipRmsNorm(branch, residual, gain, epsilon);
}

/** The stream as one tensor. */
export const settle = ({ branch, residual }: Stream): Tensor =>
  residual === undefined ? branch : plus(branch, residual);
