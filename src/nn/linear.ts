import { linear, plus, quantizedLinear, type Tensor } from "../graph/index.ts";
import type { Matrix } from "../weights/prepared/weights.ts";

/** x [..., inputs] through a projection: [..., outputs]. */
export function project(x: Tensor, weight: Matrix, bias?: Tensor): Tensor {
  const product = multiply(x, weight);
  return bias === undefined ? product : plus(product, bias);
}

/** The two factors of a low-rank matrix: [inputs, rank] and [rank, outputs]. */
export interface LowRank {
  readonly down: Tensor;
  readonly up: Tensor;
}

/** What an adapter adds to a projection of x [..., inputs]: [..., outputs] (LoRA, Hu et al. 2021). */
export const projectLowRank = (x: Tensor, { down, up }: LowRank): Tensor => linear(linear(x, down), up);

function multiply(x: Tensor, weight: Matrix): Tensor {
  switch (weight.kind) {
    case "blocks":
      return quantizedLinear(x, weight.matrix);
    case "float32":
      return linear(x, weight.weight);
  }
}
