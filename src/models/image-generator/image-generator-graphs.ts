import { Graph, minus, reshape, scale, sum, sym, type Tensor, times } from "../../graph/index.ts";
import type { Autoencoder } from "./autoencoder-kl.ts";
import type { UNet, UNetInput } from "./unet.ts";

const batch = sym("batch");

/** The inputs `x`, `time` and, for a network with classes or texts, `classes` or `texts`. */
function inputsOf(g: Graph, { config, timeWidth }: UNet): UNetInput {
  const { channels, imageSize, classes, texts } = config;
  return {
    x: g.input("x", "f32", [batch, channels, imageSize, imageSize]),
    time: g.input("time", "f32", [batch, timeWidth]),
    classes: classes > 0 ? g.input("classes", "i64", [batch]) : undefined,
    texts: texts && g.input("texts", "f32", [batch, texts.tokens, texts.width]),
  };
}

/** Noisy images `x` [batch, channels, side, side] with `time`, and `classes` or `texts` → `noise`, of the shape of x. */
export function traceNoise(unet: UNet): Graph {
  const g = new Graph();
  g.output("noise", unet.predict(g, inputsOf(g, unet)));
  return g;
}

/** Latent images `latents` [batch, channels, side, side] → `pixels`, which are larger. */
export function tracePixels(autoencoder: Autoencoder, side: number): Graph {
  const g = new Graph();
  const latents = g.input("latents", "f32", [batch, autoencoder.config.latentChannels, side, side]);
  g.output("pixels", autoencoder.decode(g, latents));
  return g;
}

/** `pixels` [batch, channels, …], for images whose latent side is `side` → `latents`. */
export function traceLatents(autoencoder: Autoencoder, side: number): Graph {
  const g = new Graph();
  const { config, enlargement } = autoencoder;
  const pixels = g.input("pixels", "f32", [batch, config.channels, side * enlargement, side * enlargement]);
  g.output("latents", autoencoder.encode(g, pixels));
  return g;
}

/**
 * Like `traceNoise`, with the images' true `noise` as an input → each image's mean square error [batch] (Ho et al.
 * 2020, equation 14). The caller makes it an output.
 */
export function squaredErrors(g: Graph, unet: UNet): Tensor {
  const input = inputsOf(g, unet);
  const { channels, imageSize } = unet.config;
  const size = channels * imageSize ** 2;
  const error = reshape(minus(unet.predict(g, input), g.input("noise", "f32", input.x.shape)), [batch, size]);
  return scale(sum(times(error, error), 1), 1 / size);
}
