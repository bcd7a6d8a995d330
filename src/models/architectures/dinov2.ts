import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Fields } from "../config/fields.ts";
import { inSafetensors, patchBias, readVision } from "../images/clip-vision.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { type ImageArchitecture, Images } from "../images/images.ts";
import { namesOf, type Scheme, withParts } from "../tensors/names.ts";
import { vitScheme, withVectors } from "./vit.ts";

const NAME = "dinov2";

/** Defaults for fields missing from published files, taken from DINOv2 base. */
const usual = {
  ...{ hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, mlp_ratio: 4 },
  ...{ num_channels: 3, image_size: 224, patch_size: 14, layer_norm_eps: 1e-6, hidden_act: "gelu" },
};

/** Reads an image encoder from its own part of a configuration. @throws UserError */
export function readDinov2(source: ReturnType<typeof inSafetensors>, own: typeof source.config): ImageEncoderConfig {
  const fields = new Fields({ ...source, config: { ...usual, ...own } }, NAME);
  const gated = fields.flag("use_swiglu_ffn");
  const wide = Math.trunc(fields.number(undefined, "hidden_size") * fields.number(undefined, "mlp_ratio"));
  // A gated feed-forward network is two thirds as wide, rounded up to a multiple of 8.
  const config = { ...own, intermediate_size: gated ? Math.ceil(Math.trunc((wide * 2) / 3) / 8) * 8 : wide };
  const read = readVision(source, NAME, config, { usual, classToken: true, patchBias: true, embeddingNorm: false });
  return { ...read, layerScale: true, ...(gated && ({ gated: "joined", activation: "silu" } as const)) };
}

function configure(origin: ConfigSource): ImageEncoderConfig {
  const source = inSafetensors(origin, "a DINOv2");
  return readDinov2(source, source.config);
}

const scheme = (config: ImageEncoderConfig, prefixes: readonly string[]): Scheme =>
  withParts(vitScheme(config, prefixes), {
    attn_norm: "norm1",
    ffn_norm: "norm2",
    ffn_up: config.gated ? "mlp.weights_in" : "mlp.fc1",
    ffn_down: config.gated ? "mlp.weights_out" : "mlp.fc2",
  });

/** Names of a layer's two scale vectors. */
const withScales =
  (names: Names): Names =>
  (canonical) => {
    const [, layer, part] = /^blk\.(\d+)\.(attn|ffn)_scale\.weight$/.exec(canonical) ?? [];
    if (layer === undefined) return names(canonical);
    const prefix = patchBias(names).replace(/embeddings\..*$/, "");
    return `${prefix}encoder.layer.${layer}.layer_scale${part === "attn" ? 1 : 2}.lambda1`;
  };

/** The checkpoint's tensor names for an encoder; they begin with one of these prefixes. */
export const dinov2Names = (checkpoint: Checkpoint, config: ImageEncoderConfig, prefixes: readonly string[]): Names =>
  withScales(withVectors(namesOf(checkpoint, scheme(config, prefixes)), config, config.context));

/**
 * DINOv2 (Oquab et al. 2023): a ViT that scales each element after attention and feed-forward. It reads images of any
 * size, because its trained positions are interpolated. A classifier reads the first token and the mean of the others.
 */
export const dinov2: ImageArchitecture = {
  tensors(checkpoint: Checkpoint): Names {
    return dinov2Names(checkpoint, configure(checkpoint.config), ["dinov2.", "backbone.", ""]);
  },
  // The mask token used in training, and heads on a backbone.
  unread: ({ tensors }) => [...tensors.keys()].filter((name) => /embeddings\.mask_token$|^decoder\./.test(name)),
  open(weights, side) {
    const trained = configure(weights.config);
    const config = side === undefined ? trained : { ...trained, imageSize: side, trainedSize: trained.imageSize };
    return new Images(new ImageEncoder(config, weights), weights, "first and mean");
  },
};
