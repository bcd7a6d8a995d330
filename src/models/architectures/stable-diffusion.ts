import path from "node:path";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Fields } from "../config/fields.ts";
import { Autoencoder, readAutoencoder } from "../image-generator/autoencoder-kl.ts";
import type { ImageGenerator, ImageGeneratorArchitecture } from "../image-generator/image-generator.ts";
import { readNoise, readSampling, type SamplingConfig } from "../image-generator/noise-schedule.ts";
import { UNet } from "../image-generator/unet.ts";
import { readConditionUNet } from "../image-generator/unet2d-condition.ts";
import { PlainTextEncoder } from "../images/image-text.ts";
import { namesOf } from "../tensors/names.ts";
import { clipTextTower, readClipText } from "./clip.ts";

const NAME = "StableDiffusionPipeline";

/** A part's own configuration; errors name the part's own file. */
function partOf(source: ConfigSource, part: string, file = "config.json"): ConfigSource {
  const fields = new Fields(source, NAME);
  const config = fields.object(part) ?? fields.refuse(part, undefined, "a folder of the pipeline");
  return { kind: "huggingface", path: path.join(path.dirname(source.path), part, file), config };
}

/** Names in the attention of autoencoders from before diffusers 0.12. */
const old: Readonly<Record<string, string>> = {
  to_q: "query",
  to_k: "key",
  to_v: "value",
  "to_out.0": "proj_attn",
};

/** Most published files use the old names for the autoencoder's attention. */
function autoencoderName(name: string, tensors: Checkpoint["tensors"]): string {
  if (tensors.has(name)) return name;
  const before = name.replace(/(to_[qkv]|to_out\.0)(?=\.(weight|bias)$)/, (part) => old[part]!);
  return tensors.has(before) ? before : name;
}

/**
 * Stable Diffusion 1 and 2 (Rombach et al. 2022), a diffusers folder: a network in an autoencoder's latent space that
 * attends to the hidden states of a CLIP text encoder. The text encoder's canonical names begin with `text_encoder.`;
 * the other parts use the checkpoint's names.
 */
export const stableDiffusion: ImageGeneratorArchitecture = {
  tensors(checkpoint): Names {
    const prefixes = ["text_encoder.text_model.", "text_encoder."];
    const texts = namesOf(checkpoint, { ...clipTextTower, prefixes });
    return (canonical) => {
      const text = /^text_encoder\.(.*)$/.exec(canonical)?.[1];
      if (text !== undefined) return texts(text);
      return canonical.startsWith("vae.") ? autoencoderName(canonical, checkpoint.tensors) : canonical;
    };
  },
  /** Position ids are not used. */
  unread: ({ tensors }) => [...tensors.keys()].filter((name) => name.endsWith(".position_ids")),
  open(weights: WeightSource): ImageGenerator {
    const { config } = weights;
    const part = (name: string) => prefixed(weights, `${name}.`);
    const texts = new PlainTextEncoder(readClipText(partOf(config, "text_encoder")), part("text_encoder"));
    const unet = new UNet(readConditionUNet(partOf(config, "unet"), texts.config.context), part("unet"));
    const autoencoder = new Autoencoder(readAutoencoder(partOf(config, "vae")), part("vae"));
    checkFit(config, unet, texts, autoencoder);
    const scheduler = new Fields(partOf(config, "scheduler", "scheduler_config.json"), NAME);
    const denoising = { kind: "noise", noise: readNoise(scheduler), sampling: readSampling(scheduler, usual) } as const;
    return { ...{ denoising, unet, labels: [], unconditional: undefined }, prompts: { texts, autoencoder } };
  },
};

/** Values of diffusers' pipeline for fields missing from a scheduler's file. */
const usual: SamplingConfig = { clips: false, offset: 1, endsClean: false };

/** @throws UserError if the network's texts or images do not match the parts around it */
function checkFit(
  config: ConfigSource,
  unet: UNet,
  texts: PlainTextEncoder,
  { config: { latentChannels } }: Autoencoder,
): void {
  const { channels, texts: read } = unet.config;
  const { hidden } = texts.config;
  const fields = new Fields(partOf(config, "unet"), NAME);
  if (read?.width !== hidden)
    fields.refuse("cross_attention_dim", read?.width, `${hidden}, the width of the text encoder`);
  if (channels !== latentChannels)
    fields.refuse("in_channels", channels, `${latentChannels}, which the autoencoder reads`);
}
