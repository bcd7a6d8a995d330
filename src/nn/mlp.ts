import { clamp, gelu, plus, relu, scale, silu, split, type Tensor, times } from "../graph/index.ts";

/** The activation between a feed-forward's matrices. */
export type Activation = ActivationName | ClampedGate | ScaledGate;

type ActivationName = "silu" | "gelu" | "gelu-quick" | "gelu-tanh" | "relu" | "relu-squared";

/** gate · sigmoid(slope · gate) · (up + 1), with gate and up clamped to the limit (gpt-oss). */
interface ClampedGate {
  readonly slope: number;
  readonly limit: number;
}

/** SiLU applied to the gate times a factor (Falcon-H1). */
interface ScaledGate {
  readonly factor: number;
}

/** The slope of the sigmoid that approximates the normal distribution in GELU (Hendrycks & Gimpel 2016, section 2). */
const QUICK = 1.702;

function activate(x: Tensor, activation: ActivationName): Tensor {
  switch (activation) {
    case "silu":
      return silu(x);
    case "gelu":
      return gelu(x, "exact");
    case "gelu-quick":
      return swish(x, QUICK);
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

/** x · sigmoid(slope · x). */
const swish = (x: Tensor, slope: number): Tensor => scale(silu(scale(x, slope)), 1 / slope);

function gateClamped(gate: Tensor, up: Tensor, { slope, limit }: ClampedGate): Tensor {
  const opened = swish(clamp(gate, { most: limit }), slope);
  return plus(opened, times(opened, clamp(up, { least: -limit, most: limit })));
}

/** The inside of a feed-forward: plain, or gated (Shazeer 2020), with gate and up adjacent: activation(gate) · up. */
export function activateMlp(x: Tensor, activation: Activation, gated: boolean): Tensor {
  if (!gated) return activate(x, named(activation));
  const width = Number(x.shape.at(-1)) / 2;
  const [gate, up] = split(x, x.shape.length - 1, [width, width]) as [Tensor, Tensor];
  if (typeof activation === "string") return times(activate(gate, activation), up);
  return "limit" in activation ? gateClamped(gate, up, activation) : times(silu(scale(gate, activation.factor)), up);
}

function named(activation: Activation): ActivationName {
  if (typeof activation === "string") return activation;
  throw new Error("a clamped or scaled gate needs a gated feed-forward");
}
