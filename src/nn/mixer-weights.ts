import { exp, matmulTransposed, plus, scale, type Tensor } from "../graph/index.ts";

/** Gives a weight of a mixer by its name, in the shape that it has. */
export type WeightsOf = (name: string, shape: readonly number[]) => Tensor;

/** A mixer's weights, by Hugging Face's names. */
export interface MixerWeights {
  /** A weight that is no matrix of a product. */
  readonly tensor: WeightsOf;
  /** x times the matrix `NAME.weight` [outputs, inputs], plus `NAME.bias` [outputs] if it is `biased`. */
  project(x: Tensor, name: string, outputs: number, biased?: boolean): Tensor;
  /** A = −e^A_log, the rates at which a state decays. */
  rates(shape: readonly number[]): Tensor;
}

/** Weights that are all tensors. */
export const tensorsOf = (tensor: WeightsOf): MixerWeights => ({
  tensor,
  project(x, name, outputs, biased = false) {
    const weight = tensor(`${name}.weight`, [outputs, Number(x.shape.at(-1))]);
    const product = matmulTransposed(x, weight);
    return biased ? plus(product, tensor(`${name}.bias`, [outputs])) : product;
  },
  rates: (shape) => ratesOf(tensor("A_log", shape)),
});

export const ratesOf = (logarithms: Tensor): Tensor => scale(exp(logarithms), -1);
