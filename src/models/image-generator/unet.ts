import { type Graph, plus, silu, type Tensor } from "../../graph/index.ts";
import { type ImageLayerSettings, ImageLayers, joinChannels } from "../../nn/image-layers.ts";
import { imageTransformer } from "../../nn/image-transformer.ts";
import type { WeightSource } from "../../weights/weight-source.ts";

/** One resolution of a U-Net, on the way down and on the way up. */
export interface UNetLevel {
  readonly channels: number;
  /** True if attention follows each residual block. */
  readonly attends: boolean;
  /** The number of channels per attention head. */
  readonly headSize: number;
}

export interface UNetConfig extends ImageLayerSettings {
  /** Pixels per side. */
  readonly imageSize: number;
  /** The number of channels of an image. */
  readonly channels: number;
  /** The resolutions, each half the previous one. */
  readonly levels: readonly UNetLevel[];
  /** The number of residual blocks per level on the way down; there is one more on the way up. */
  readonly blocks: number;
  /** True for a way on which a residual block changes the size; false if a convolution after the blocks does. */
  readonly resamples?: { readonly down: boolean; readonly up: boolean };
  /** True if the middle block has attention. */
  readonly middleAttends: boolean;
  /** The number of class vectors; 0 for a network without classes. */
  readonly classes: number;
  /** In the exponents of a time vector's frequencies, the divisor is half its width minus this number, 0 or 1. */
  readonly timeShift: number;
  /** True if a time vector's cosines come before its sines. */
  readonly cosinesFirst: boolean;
  /** Sizes of a text's hidden states, which every attention block also reads; undefined for a network without texts. */
  readonly texts?: { readonly tokens: number; readonly width: number };
}

/** The inputs of a network: noisy images, their time vectors, and classes i64 [batch] if the network has any. */
export interface UNetInput {
  /** [batch, channels, side, side] */
  readonly x: Tensor;
  /** [batch, width of the first level] */
  readonly time: Tensor;
  readonly classes?: Tensor | undefined;
  /** Hidden states of texts, [batch, tokens, width], if the network attends to them. */
  readonly texts?: Tensor | undefined;
}

/** One pass: its layers, the condition vector that every block adds, and the texts. */
interface Pass {
  readonly layers: ImageLayers;
  readonly condition: Tensor;
  readonly texts: Tensor | undefined;
}

/**
 * A convolutional network that predicts the noise of images (Ho et al. 2020, appendix B), like diffusers'
 * `UNet2DModel`; with texts, like `UNet2DConditionModel` (Rombach et al. 2022).
 */
export class UNet {
  constructor(
    readonly config: UNetConfig,
    private readonly weights: WeightSource,
  ) {}

  /** The width of the vector that encodes a time. */
  get timeWidth(): number {
    return this.config.levels[0]!.channels;
  }

  /** Predicts the noise, or denoised images, in the shape of the images. */
  predict(graph: Graph, { x, time, classes, texts }: UNetInput): Tensor {
    const layers = new ImageLayers(this.weights, graph, this.config);
    const pass = { layers, condition: this.#condition(layers, time, classes), texts };
    const streams = [layers.conv("conv_in", x, this.timeWidth, 3)];
    this.#down(pass, streams);
    const deepest = this.#middle(pass, streams.at(-1)!);
    const last = this.#up(pass, streams, deepest);
    return layers.conv("conv_out", silu(layers.norm("conv_norm_out", last)), this.config.channels, 3);
  }

  /** The vector that every block adds, from time and class: [batch, 4 · width of a time vector]. */
  #condition(layers: ImageLayers, time: Tensor, classes: Tensor | undefined): Tensor {
    const width = 4 * this.timeWidth;
    const hidden = silu(layers.linear("time_embedding.linear_1", time, width));
    const embedded = layers.linear("time_embedding.linear_2", hidden, width);
    if (!classes) return embedded;
    return plus(embedded, layers.embedding("class_embedding", classes, this.config.classes, width));
  }

  /** Runs the levels from the largest size to the smallest, and adds the output of each block to `streams`. */
  #down(pass: Pass, streams: Tensor[]): void {
    const { levels, blocks } = this.config;
    for (const [i, level] of levels.entries()) {
      const name = `down_blocks.${i}`;
      for (let j = 0; j < blocks; j++) streams.push(this.#block(pass, name, j, streams.at(-1)!, level));
      if (i < levels.length - 1) streams.push(this.#smaller(pass, `${name}.downsamplers.0`, streams.at(-1)!, level));
    }
  }

  #middle({ layers, condition, texts }: Pass, x: Tensor): Tensor {
    const { channels, headSize } = this.config.levels.at(-1)!;
    const before = layers.residual("mid_block.resnets.0", x, condition, channels);
    const mixed = this.config.middleAttends
      ? this.#attend(layers, "mid_block.attentions.0", before, headSize, texts)
      : before;
    return layers.residual("mid_block.resnets.1", mixed, condition, channels);
  }

  /** Runs the levels in reverse; each block also reads an output from the way down, the latest output first. */
  #up(pass: Pass, streams: Tensor[], deepest: Tensor): Tensor {
    let x = deepest;
    for (const [i, level] of this.config.levels.toReversed().entries()) {
      const name = `up_blocks.${i}`;
      for (let j = 0; j <= this.config.blocks; j++)
        x = this.#block(pass, name, j, joinChannels(x, streams.pop()!), level);
      if (i < this.config.levels.length - 1) x = this.#larger(pass, `${name}.upsamplers.0`, x, level);
    }
    return x;
  }

  #smaller({ layers, condition }: Pass, name: string, x: Tensor, { channels }: UNetLevel): Tensor {
    return this.config.resamples?.down
      ? layers.residual(name, x, condition, channels, "half")
      : layers.downsample(name, x);
  }

  #larger({ layers, condition }: Pass, name: string, x: Tensor, { channels }: UNetLevel): Tensor {
    return this.config.resamples?.up
      ? layers.residual(name, x, condition, channels, "twice")
      : layers.upsample(name, x);
  }

  #block({ layers, condition, texts }: Pass, name: string, j: number, x: Tensor, level: UNetLevel): Tensor {
    const hidden = layers.residual(`${name}.resnets.${j}`, x, condition, level.channels);
    return level.attends ? this.#attend(layers, `${name}.attentions.${j}`, hidden, level.headSize, texts) : hidden;
  }

  #attend(layers: ImageLayers, name: string, x: Tensor, headSize: number, texts: Tensor | undefined): Tensor {
    const { groups } = this.config;
    return texts ? imageTransformer(layers, name, x, { texts, headSize, groups }) : layers.attention(name, x, headSize);
  }
}

/** Encodes a time as sines and cosines of growing periods, [width] (diffusers' `Timesteps`). */
export function timeVector(time: number, width: number, config: Pick<UNetConfig, "timeShift" | "cosinesFirst">) {
  const half = width / 2;
  const angles = Array.from(
    { length: half },
    (_, i) => time * Math.exp((-Math.log(10000) * i) / (half - config.timeShift)),
  );
  const [sines, cosines] = [angles.map(Math.sin), angles.map(Math.cos)];
  return config.cosinesFirst ? [...cosines, ...sines] : [...sines, ...cosines];
}
