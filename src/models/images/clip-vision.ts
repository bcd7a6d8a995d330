import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { checkValues, readEncoder } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import type { Scheme } from "../tensors/names.ts";
import type { ImageEncoderConfig } from "./image-encoder.ts";

/** Tensor names in a CLIP tower, for images or texts. */
export const clipTower: Scheme = {
  prefixes: [""],
  layers: "encoder.layers",
  parts: {
    attn_norm: "layer_norm1",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.out_proj",
    ffn_norm: "layer_norm2",
    ffn_up: "mlp.fc1",
    ffn_down: "mlp.fc2",
  },
  top: {},
};

/** Tensor names of the image tower; a convolution's weight has the patch's shape. */
export const clipVisionTower = (
  { hidden, channels, patchSize }: ImageEncoderConfig,
  prefixes: readonly string[],
): Scheme => ({
  ...clipTower,
  prefixes,
  top: {
    position_embd: "embeddings.position_embedding",
    patch_embd: { name: "embeddings.patch_embedding", shape: [hidden, channels, patchSize, patchSize] },
    token_embd_norm: "pre_layrnorm",
    output_norm: "post_layernorm",
    projection: "/visual_projection",
  },
});

/** The name of the bias of patch vectors. */
export const patchBias = (names: Names): string => placeOf(names("patch_embd.bias"));

const placeOf = (stored: ReturnType<Names>): string => (typeof stored === "string" ? stored : stored.name);

/**
 * The checkpoint's vector of the class token is used as a table with one row; a patch bias is stored as a plain vector,
 * not in the shape of a patch.
 */
export const withClassVector =
  (names: Names, { hidden }: ImageEncoderConfig): Names =>
  (canonical) => {
    if (canonical === "patch_embd.bias") return patchBias(names);
    if (canonical !== "class_embd.weight") return names(canonical);
    const place = placeOf(names("position_embd.weight"));
    return { name: place.replace(/position_embedding\.weight$/, "class_embedding"), shape: [hidden] };
  };

/** Defaults for fields missing from published files, taken from ViT-B/32. */
const usual = {
  ...{ hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 },
  ...{ num_channels: 3, image_size: 224, patch_size: 32, layer_norm_eps: 1e-5, hidden_act: "quick_gelu" },
};

/** Fields that are equal in all towers; the classifier is a placeholder. */
export const clipShared = {
  ...({ norms: "before", firstNorm: true } as const),
  classifier: { dense: "cls", activation: "tanh", output: "cls.output", pooling: "cls" } as const,
};

const imageSizes = z.object({
  channels: z.literal(3),
  imageSize: z.int().min(1).max(4096),
  patchSize: z.int().min(1).max(1024),
});

/** The maximum number of tokens per image, because each layer's attention scores every pair. */
const MOST_TOKENS = 2 ** 14;

type HuggingFaceConfig = Extract<ConfigSource, { kind: "huggingface" }>;

/** Returns the configuration of a model that is supported only in safetensors. @throws UserError for a GGUF */
export function inSafetensors(source: ConfigSource, what: string): HuggingFaceConfig {
  if (source.kind === "huggingface") return source;
  throw new UserError(`${source.path}: ${what} in GGUF is not supported, expected safetensors`);
}

/** Tensor names of both towers; canonical names begin with `t.` (texts) and `v.` (images). */
export const towerNames =
  (towers: Readonly<Record<"t" | "v", Names>>): Names =>
  (canonical) => {
    const [, tower, name] = /^([tv])\.(.*)$/.exec(canonical) ?? [];
    return tower === undefined ? canonical : towers[tower as "t" | "v"](name!);
  };

/** Differences between image towers. */
interface VisionTraits extends Pick<ImageEncoderConfig, "classToken" | "patchBias" | "embeddingNorm"> {
  /** Defaults for fields missing from published files. */
  readonly usual: Readonly<Record<string, unknown>>;
}

/** Reads CLIP's image tower from a configuration's `vision_config`. @throws UserError */
export const readClipVision = (source: HuggingFaceConfig, name: string): ImageEncoderConfig =>
  readVision(source, name, visionConfig(source, name), {
    usual,
    classToken: true,
    patchBias: false,
    embeddingNorm: true,
  });

/** Reads the image encoder's part of a configuration. @throws UserError */
export const visionConfig = (source: HuggingFaceConfig, name: string): HuggingFaceConfig["config"] =>
  new Fields(source, name).object("vision_config") ?? {};

/** Reads an image encoder from its own part of a configuration. @throws UserError */
export function readVision(
  source: HuggingFaceConfig,
  name: string,
  own: HuggingFaceConfig["config"],
  { usual, ...traits }: VisionTraits,
): ImageEncoderConfig {
  const config = { ...usual, ...own };
  const fields = new Fields({ ...source, config }, name);
  const sizes = checkValues(imageSizes, source, {
    channels: fields.number(undefined, "num_channels"),
    imageSize: fields.number(undefined, "image_size"),
    patchSize: fields.number(undefined, "patch_size"),
  });
  const { imageSize, patchSize } = sizes;
  if (imageSize < patchSize)
    throw new UserError(`${source.path}: "image_size" is ${imageSize}, expected at least "patch_size", ${patchSize}`);
  // The encoder's tokens are patches, so it has positions but no vocabulary.
  const context = Math.floor(imageSize / patchSize) ** 2 + (traits.classToken ? 1 : 0);
  if (context > MOST_TOKENS)
    throw new UserError(`${source.path}: an image has ${context} tokens, expected at most ${MOST_TOKENS}`);
  const texts = { ...config, vocab_size: 1, max_position_embeddings: context, tie_word_embeddings: true };
  return { ...readEncoder(new Fields({ ...source, config: texts }, name), clipShared), ...sizes, ...traits };
}
