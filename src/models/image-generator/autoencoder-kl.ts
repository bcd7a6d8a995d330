import { z } from "zod";
import { type Graph, scale, silu, split, type Tensor } from "../../graph/index.ts";
import { ImageLayers } from "../../nn/image-layers.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { checkValues } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { size } from "./unet-config.ts";

const NAME = "AutoencoderKL";

const schema = z.object({
  channels: z.int().min(1).max(16),
  latentChannels: z.int().min(1).max(16),
  widths: z.array(size, "expected a list of widths").min(1).max(16),
  blocks: z.int().min(1).max(64),
  groups: size,
  factor: z.number().positive(),
});
export type AutoencoderConfig = z.output<typeof schema>;

/** @throws UserError for another kind of configuration, or unsupported settings */
export function readAutoencoder(source: ConfigSource): AutoencoderConfig {
  const fields = new Fields(source, NAME);
  fields.only("act_fn", ["silu"]);
  for (const key of ["mid_block_add_attention", "use_post_quant_conv", "use_quant_conv"]) fields.only(key, [true]);
  for (const key of ["shift_factor", "latents_mean", "latents_std"])
    if (fields.value(key) !== undefined) fields.refuse(key, fields.value(key), "none");
  const number = (key: string, fallback: number) => fields.number(undefined, key, fallback);
  const config = checkValues(schema, source, {
    channels: number("out_channels", 3),
    latentChannels: number("latent_channels", 4),
    widths: fields.list("block_out_channels"),
    blocks: number("layers_per_block", 1),
    groups: number("norm_num_groups", 32),
    factor: number("scaling_factor", 0.18215),
  });
  fields.only("in_channels", [config.channels]);
  for (const [key, block] of Object.entries({ down: "DownEncoderBlock2D", up: "UpDecoderBlock2D" })) {
    const blocks = (fields.list(`${key}_block_types`) ?? []).join();
    const expected = config.widths.map(() => block);
    if (blocks !== expected.join()) fields.refuse(`${key}_block_types`, blocks, JSON.stringify(expected));
  }
  for (const width of config.widths)
    if (width % config.groups !== 0) fields.refuse("norm_num_groups", config.groups, `a divisor of ${width}`);
  return config;
}

/**
 * A variational autoencoder of images (diffusers' `AutoencoderKL`; Rombach et al. 2022): pixels are about −1 to 1,
 * [batch, channels, side, side], and latent images are smaller.
 */
export class Autoencoder {
  constructor(
    readonly config: AutoencoderConfig,
    private readonly weights: WeightSource,
  ) {}

  /** The ratio of an image's side to that of its latent image. */
  get enlargement(): number {
    return 2 ** (this.config.widths.length - 1);
  }

  /** Decodes latent images [batch, latent channels, side, side] into pixels. */
  decode(graph: Graph, latents: Tensor): Tensor {
    const { factor, latentChannels, channels, widths } = this.config;
    const layers = this.#layers(graph);
    const unscaled = layers.conv("post_quant_conv", scale(latents, 1 / factor), latentChannels, 1);
    const first = layers.conv("decoder.conv_in", unscaled, widths.at(-1)!, 3);
    const last = this.#up(layers, this.#middle(layers, "decoder", first));
    return layers.conv("decoder.conv_out", silu(layers.norm("decoder.conv_norm_out", last)), channels, 3);
  }

  /** Encodes images as the means of their latent distributions. */
  encode(graph: Graph, pixels: Tensor): Tensor {
    const { factor, latentChannels, widths } = this.config;
    const layers = this.#layers(graph);
    const first = layers.conv("encoder.conv_in", pixels, widths[0]!, 3);
    const last = silu(layers.norm("encoder.conv_norm_out", this.#middle(layers, "encoder", this.#down(layers, first))));
    const both = 2 * latentChannels;
    const moments = layers.conv("quant_conv", layers.conv("encoder.conv_out", last, both, 3), both, 1);
    const [means] = split(moments, 1, [latentChannels, latentChannels]) as [Tensor, Tensor];
    return scale(means, factor);
  }

  #layers(graph: Graph): ImageLayers {
    return new ImageLayers(this.weights, graph, { groups: this.config.groups, epsilon: 1e-6 });
  }

  #middle(layers: ImageLayers, side: "encoder" | "decoder", x: Tensor): Tensor {
    const width = this.config.widths.at(-1)!;
    const name = `${side}.mid_block`;
    const before = layers.residual(`${name}.resnets.0`, x, undefined, width);
    const mixed = layers.attention(`${name}.attentions.0`, before, width);
    return layers.residual(`${name}.resnets.1`, mixed, undefined, width);
  }

  #down(layers: ImageLayers, input: Tensor): Tensor {
    const { widths, blocks } = this.config;
    let x = input;
    for (const [i, width] of widths.entries()) {
      const name = `encoder.down_blocks.${i}`;
      for (let j = 0; j < blocks; j++) x = layers.residual(`${name}.resnets.${j}`, x, undefined, width);
      if (i < widths.length - 1) x = layers.halve(`${name}.downsamplers.0`, x);
    }
    return x;
  }

  #up(layers: ImageLayers, deepest: Tensor): Tensor {
    const { widths, blocks } = this.config;
    let x = deepest;
    for (const [i, width] of widths.toReversed().entries()) {
      const name = `decoder.up_blocks.${i}`;
      for (let j = 0; j <= blocks; j++) x = layers.residual(`${name}.resnets.${j}`, x, undefined, width);
      if (i < widths.length - 1) x = layers.upsample(`${name}.upsamplers.0`, x);
    }
    return x;
  }
}
