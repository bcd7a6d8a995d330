import type { ConfigSource } from "../weights/checkpoint.ts";
import { readVision } from "./clip-vision.ts";
import type { ImageEncoderConfig } from "./image-encoder.ts";

/** The values of published files that leave some out: those of SigLIP base. */
const usual = {
  ...{ hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 },
  ...{ num_channels: 3, image_size: 224, patch_size: 16, layer_norm_eps: 1e-6, hidden_act: "gelu_pytorch_tanh" },
};

/**
 * A SigLIP's tower of images (Zhai et al. 2023), by a configuration's `vision_config`: a CLIP's without a token of the
 * whole image and a norm before the first layer. @throws UserError
 */
export const readSiglipVision = (
  source: Extract<ConfigSource, { kind: "huggingface" }>,
  name: string,
): ImageEncoderConfig => readVision(source, name, { usual, classToken: false, patchBias: true, embeddingNorm: false });
