import type { ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { Scheme } from "../tensors/names.ts";
import { clipVisionTower, readVision, visionConfig } from "./clip-vision.ts";
import type { ImageEncoderConfig } from "./image-encoder.ts";

/** Defaults for fields missing from published files, taken from SigLIP base. */
const usual = {
  ...{ hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 },
  ...{ num_channels: 3, image_size: 224, patch_size: 16, layer_norm_eps: 1e-6, hidden_act: "gelu_pytorch_tanh" },
};

/**
 * Reads SigLIP's image tower (Zhai et al. 2023) from a configuration's `vision_config`: like CLIP's, without a class
 * token or a norm before the first layer. @throws UserError
 */
export const readSiglipVision = (
  source: Extract<ConfigSource, { kind: "huggingface" }>,
  name: string,
): ImageEncoderConfig => {
  const traits = { usual, classToken: false, patchBias: true, embeddingNorm: false };
  return readVision(source, name, visionConfig(source, name), traits);
};

/** Tensor names of the image tower with its pooling head. */
export const siglipVisionTower = (config: ImageEncoderConfig, prefixes: readonly string[]): Scheme => {
  const tower = clipVisionTower(config, prefixes);
  const head = {
    "probe.attn_output": "head.attention.out_proj",
    "probe.ffn_norm": "head.layernorm",
    "probe.ffn_up": "head.mlp.fc1",
    "probe.ffn_down": "head.mlp.fc2",
  };
  return { ...tower, top: { ...tower.top, ...head } };
};

/** The pooling head's query, and its projections, which PyTorch stacks in one tensor. */
export const withProbe =
  (names: Names, { hidden }: ImageEncoderConfig, prefix: string): Names =>
  (canonical) => {
    if (canonical === "probe.weight") return { name: `${prefix}head.probe`, shape: [1, 1, hidden] };
    const [, of, kind] = /^probe\.attn_([qkv])\.(weight|bias)$/.exec(canonical) ?? [];
    if (of === undefined) return names(canonical);
    const from = "qkv".indexOf(of) * hidden;
    return { name: `${prefix}head.attention.in_proj_${kind}`, rows: [from, from + hidden] };
  };
