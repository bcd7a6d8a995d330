import { Graph, minus, reshape, scale, sum, sym, type Tensor, times } from "../graph/index.ts";
import type { UNet, UNetInput } from "./unet.ts";

const batch = sym("batch");

/** `x`, `time` and, of a network with classes, `classes` → the predicted noise. */
function inputsOf(g: Graph, { config, timeWidth }: UNet): UNetInput {
  const { channels, imageSize, classes } = config;
  return {
    x: g.input("x", "f32", [batch, channels, imageSize, imageSize]),
    time: g.input("time", "f32", [batch, timeWidth]),
    classes: classes > 0 ? g.input("classes", "i64", [batch]) : undefined,
  };
}

/** Noisy images `x` [batch, channels, side, side] with `time` and `classes` → `noise`, of the shape of x. */
export function traceNoise(unet: UNet): Graph {
  const g = new Graph();
  g.output("noise", unet.predict(g, inputsOf(g, unet)));
  return g;
}

/**
 * Like `traceNoise`, with the images' own `noise` as an input → each image's mean square error [batch] (Ho et al. 2020,
 * equation 14). The caller makes it an output.
 */
export function squaredErrors(g: Graph, unet: UNet): Tensor {
  const input = inputsOf(g, unet);
  const { channels, imageSize } = unet.config;
  const size = channels * imageSize ** 2;
  const error = reshape(minus(unet.predict(g, input), g.input("noise", "f32", input.x.shape)), [batch, size]);
  return scale(sum(times(error, error), 1), 1 / size);
}
