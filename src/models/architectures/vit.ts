import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { inSafetensors, patchBias, readVision } from "../images/clip-vision.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { type ImageArchitecture, Images } from "../images/images.ts";
import { namesOf, type Scheme } from "../tensors/names.ts";

const NAME = "vit";

/** Defaults for fields missing from published files, taken from ViT base. */
const usual = {
  ...{ hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 },
  ...{ num_channels: 3, image_size: 224, patch_size: 16, layer_norm_eps: 1e-12, hidden_act: "gelu" },
};

function configure(origin: ConfigSource): ImageEncoderConfig {
  const source = inSafetensors(origin, "a ViT");
  const traits = { usual, classToken: true, patchBias: true, embeddingNorm: false };
  return readVision(source, NAME, source.config, traits);
}

/** Names in ViT's original code, which related models also use. */
export const vitScheme = (
  { hidden, channels, patchSize }: ImageEncoderConfig,
  prefixes: readonly string[],
): Scheme => ({
  prefixes,
  layers: "encoder.layer",
  parts: {
    attn_norm: "layernorm_before",
    attn_q: "attention.attention.query",
    attn_k: "attention.attention.key",
    attn_v: "attention.attention.value",
    attn_output: "attention.output.dense",
    ffn_norm: "layernorm_after",
    ffn_up: "intermediate.dense",
    ffn_down: "output.dense",
  },
  top: {
    output_norm: "layernorm",
    patch_embd: { name: "embeddings.patch_embeddings.projection", shape: [hidden, channels, patchSize, patchSize] },
    classifier: "/classifier",
  },
});

/** Names of the vectors that ViT stores outside layers. */
export const withVectors =
  (names: Names, { hidden }: ImageEncoderConfig, tokens: number): Names =>
  (canonical) => {
    const place = patchBias(names);
    const beside = (name: string) => place.replace(/patch_embeddings\.projection\.bias$/, name);
    if (canonical === "patch_embd.bias") return place;
    if (canonical === "class_embd.weight") return { name: beside("cls_token"), shape: [1, 1, hidden] };
    if (canonical === "position_embd.weight")
      return { name: beside("position_embeddings"), shape: [1, tokens, hidden] };
    return names(canonical);
  };

/** Unused tensors: the pooler's layer, and the vector that stands for masked patches in training. */
const UNREAD = /(^|\.)(pooler\.dense\.(weight|bias)|mask_token)$/;

/** Vision Transformer (Dosovitskiy et al. 2021): an image's vector is that of its first token. */
export const vit: ImageArchitecture = {
  tensors(checkpoint: Checkpoint): Names {
    const config = configure(checkpoint.config);
    return withVectors(namesOf(checkpoint, vitScheme(config, ["vit.", ""])), config, config.context);
  },
  unread: ({ tensors }) => [...tensors.keys()].filter((name) => UNREAD.test(name)),
  open(weights, side) {
    const config = configure(weights.config);
    if (side !== undefined && side !== config.imageSize)
      throw new UserError(
        `${weights.config.path}: the processor makes images of ${side} pixels per side, expected the model's ${config.imageSize}`,
      );
    return new Images(new ImageEncoder(config, weights), weights, "first");
  },
};
