import { gelu, relu, scale, silu, split, type Tensor, times } from "../graph/index.ts";

/** The activation between a feed-forward's matrices. */
export type Activation = "silu" | "gelu" | "gelu-quick" | "gelu-tanh" | "relu" | "relu-squared";

/** The slope in the sigmoid that stands in for GELU's normal distribution (Hendrycks & Gimpel 2016, section 2). */
const QUICK = 1.702;

function activate(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case "silu":
      return silu(x);
    case "gelu":
      return gelu(x, "exact");
    case "gelu-quick":
      return scale(silu(scale(x, QUICK)), 1 / QUICK);
    case "gelu-tanh":
      return gelu(x, "tanh");
    case "relu":
      return relu(x);
    case "relu-squared": {
      const positive = relu(x);
      return times(positive, positive);
    }
  }
}

/**
 * The inside of a feed-forward: plain, or gated (Shazeer 2020) with gate and up side by side: activation(gate) · up.
 */
export function activateMlp(x: Tensor, activation: Activation, gated: boolean): Tensor {
  if (!gated) return activate(x, activation);
  const width = Number(x.shape.at(-1)) / 2;
  const [gate, up] = split(x, x.shape.length - 1, [width, width]) as [Tensor, Tensor];
  return times(activate(gate, activation), up);
}
