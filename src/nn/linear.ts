import { linear, type Precision, quantizedLinear, type Tensor } from "../graph/index.ts";
import type { Matrix } from "../weights/prepared/weights.ts";

/** x [batch, tokens, inputs] through a projection: [batch, tokens, outputs]. */
export function project(x: Tensor, weight: Matrix, precision: Precision): Tensor {
  switch (weight.kind) {
    case "blocks":
      return quantizedLinear(x, weight.matrix, precision);
    case "float32":
      return linear(x, weight.weight);
  }
}
