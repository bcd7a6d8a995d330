import { exp, matmulTransposed, plus, scale, split, type Tensor } from "../graph/index.ts";

/** Returns a mixer's weight by name, in this shape. */
export type WeightsOf = (name: string, shape: readonly number[]) => Tensor;

/** A mixer's weights, under Hugging Face's names. */
export interface MixerWeights {
  /** A weight other than a projection's matrix. */
  readonly tensor: WeightsOf;
  /** x times the matrix `NAME.weight` [outputs, inputs], plus `NAME.bias` [outputs] if it is `biased`. */
  project(x: Tensor, name: string, outputs: number, biased?: boolean): Tensor;
  /** Like `project`, with outputs split into these sizes. */
  projectParts(x: Tensor, name: string, sizes: readonly number[]): Tensor[];
  /** A = −e^A_log, the rates at which a state decays. */
  rates(shape: readonly number[]): Tensor;
}

/** Weights whose matrices are plain tensors. */
export function tensorsOf(tensor: WeightsOf): MixerWeights {
  const project: MixerWeights["project"] = (x, name, outputs, biased = false) => {
    const weight = tensor(`${name}.weight`, [outputs, Number(x.shape.at(-1))]);
    const product = matmulTransposed(x, weight);
    return biased ? plus(product, tensor(`${name}.bias`, [outputs])) : product;
  };
  return { tensor, project, projectParts: inParts(project), rates: (shape) => ratesOf(tensor("A_log", shape)) };
}

/** One product split into parts. */
export const inParts =
  (project: MixerWeights["project"]): MixerWeights["projectParts"] =>
  (x, name, sizes) => {
    const outputs = sizes.reduce((total, size) => total + size, 0);
    return split(project(x, name, outputs), x.shape.length - 1, [...sizes]);
  };

export const ratesOf = (logarithms: Tensor): Tensor => scale(exp(logarithms), -1);
