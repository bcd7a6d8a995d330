import {
  byteLinear,
  concat,
  linear,
  matmulTransposed,
  plus,
  quantizedLinear,
  split,
  type Tensor,
  times,
} from "../graph/index.ts";
import type { LowRank, LowRankUpdate, Matrix, Sizes } from "../weights/weight-source.ts";

/** x [..., inputs] through a projection: [..., outputs]. */
export function project(x: Tensor, weight: Matrix, bias?: Tensor): Tensor {
  const product = multiply(x, weight);
  return bias === undefined ? product : plus(product, bias);
}

function multiply(x: Tensor, weight: Matrix): Tensor {
  switch (weight.kind) {
    case "blocks":
      return quantizedLinear(x, weight.matrix);
    case "bytes":
      return byteLinear(x, weight.matrix);
    case "float32":
      return linear(x, weight.weight);
    case "float32 rows":
      return matmulTransposed(x, weight.weight);
  }
}

/** The product of x [..., inputs] with a low-rank matrix: [..., outputs] (LoRA, Hu et al. 2021). */
const projectLowRank = (x: Tensor, { down, up, dropout }: LowRank): Tensor =>
  linear(linear(dropout?.(x) ?? x, down), up);

const addLowRank = (product: Tensor, x: Tensor, factors: LowRank): Tensor => {
  const sum = plus(product, projectLowRank(x, factors));
  return factors.gain ? times(sum, factors.gain) : sum;
};

/** True if an update also multiplies the product by a gain; biases must then be added afterwards. */
export const rescales = (update: LowRankUpdate): boolean =>
  update.kind === "stacked"
    ? update.factors.gain !== undefined
    : Object.values(update.factors).some(({ gain }) => gain);

/** Adds an adapter's update to `product`, which is x times stacked matrices with these outputs. */
export function addUpdate(product: Tensor, x: Tensor, outputs: Sizes, update: LowRankUpdate): Tensor {
  switch (update.kind) {
    case "stacked":
      return addLowRank(product, x, update.factors);
    case "apart": {
      const added = (part: Tensor, factors: LowRank | undefined) => (factors ? addLowRank(part, x, factors) : part);
      const names = Object.keys(outputs);
      if (names.length === 1) return added(product, update.factors[names[0]!]);
      const last = product.shape.length - 1;
      const parts = split(product, last, Object.values(outputs));
      return concat(
        parts.map((part, i) => added(part, update.factors[names[i]!])),
        last,
      );
    }
  }
}
