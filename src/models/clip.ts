import { z } from "zod";
import { UserError } from "../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../weights/checkpoint.ts";
import { prefixed } from "../weights/prefixed.ts";
import type { Names } from "../weights/prepared/names.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import { checkValues, readEncoder } from "./config.ts";
import { Fields } from "./fields.ts";
import { ImageEncoder, type ImageEncoderConfig } from "./image-encoder.ts";
import { ImageText, PlainTextEncoder } from "./image-text.ts";
import { namesOf, type Scheme } from "./names.ts";

const NAME = "clip";

/** The values of published files that leave some out: those of ViT-B/32. */
const usual = {
  text: {
    ...{ vocab_size: 49408, hidden_size: 512, intermediate_size: 2048, num_hidden_layers: 12, num_attention_heads: 8 },
    ...{ max_position_embeddings: 77, layer_norm_eps: 1e-5, hidden_act: "quick_gelu" },
  },
  vision: {
    ...{ hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 },
    ...{ num_channels: 3, image_size: 224, patch_size: 32, layer_norm_eps: 1e-5, hidden_act: "quick_gelu" },
  },
};

const tower: Scheme = {
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

const textTower: Scheme = {
  ...tower,
  prefixes: ["text_model."],
  top: {
    token_embd: "embeddings.token_embedding",
    position_embd: "embeddings.position_embedding",
    output_norm: "final_layer_norm",
    projection: "/text_projection",
  },
};

/** A convolution's weight has the patch's shape. */
const imageTower = ({ hidden, channels, patchSize }: ImageEncoderConfig): Scheme => ({
  ...tower,
  prefixes: ["vision_model."],
  top: {
    position_embd: "embeddings.position_embedding",
    patch_embd: { name: "embeddings.patch_embedding", shape: [hidden, channels, patchSize, patchSize] },
    token_embd_norm: "pre_layrnorm",
    output_norm: "post_layernorm",
    projection: "/visual_projection",
  },
});

/** The part of a configuration that one encoder has. @throws UserError if it is no object */
function sectionOf(source: ConfigSource, section: "text" | "vision"): Fields {
  if (source.kind === "gguf")
    throw new UserError(`${source.path}: a CLIP in GGUF is not supported, expected safetensors`);
  const whole = new Fields(source, NAME);
  const config = { ...usual[section], ...whole.object(`${section}_config`) };
  return new Fields({ ...source, config }, NAME);
}

/** Fields that neither encoder has: no head of a classifier, no prediction of tokens. */
const shared = {
  ...({ norms: "before", firstNorm: true } as const),
  classifier: { dense: "cls", activation: "tanh", output: "cls.output", pooling: "cls" } as const,
};

const imageSizes = z.object({
  channels: z.literal(3),
  imageSize: z.int().min(1).max(4096),
  patchSize: z.int().min(1).max(1024),
});

/** Tokens of an image: each layer's attention scores every pair. */
const MOST_TOKENS = 2 ** 14;

function readImages(fields: Fields): ImageEncoderConfig {
  const { source } = fields;
  const sizes = checkValues(imageSizes, source, {
    channels: fields.number(undefined, "num_channels"),
    imageSize: fields.number(undefined, "image_size"),
    patchSize: fields.number(undefined, "patch_size"),
  });
  const { imageSize, patchSize } = sizes;
  if (imageSize % patchSize !== 0)
    throw new UserError(
      `${source.path}: "image_size" is ${imageSize}, expected a multiple of "patch_size", ${patchSize}`,
    );
  // Its tokens are patches: it has places, and no vocabulary.
  const context = (imageSize / patchSize) ** 2 + 1;
  if (context > MOST_TOKENS)
    throw new UserError(`${source.path}: an image has ${context} tokens, expected at most ${MOST_TOKENS}`);
  return { ...readEncoder(asTexts(fields, context), shared), ...sizes };
}

function asTexts({ source, architecture }: Fields, context: number): Fields {
  const own = { vocab_size: 1, max_position_embeddings: context };
  return new Fields(
    source.kind === "gguf" ? source : { ...source, config: { ...source.config, ...own } },
    architecture,
  );
}

const common = z.object({ width: z.int().min(1).max(65536) });

function configure(source: ConfigSource) {
  const fields = new Fields(source, NAME);
  return {
    text: readEncoder(sectionOf(source, "text"), { ...shared, causal: true }),
    image: readImages(sectionOf(source, "vision")),
    ...checkValues(common, source, { width: fields.number(undefined, "projection_dim", 512) }),
  };
}

/**
 * CLIP (Radford et al. 2021): an encoder of images and one of texts, whose tokens see none after them; the text's vector
 * is that of the token that ends it. `t.` and `v.` begin the canonical names of their weights.
 */
export const clip = {
  names: [NAME],
  tensors(checkpoint: Checkpoint): Names {
    const { image } = configure(checkpoint.config);
    const towers = { t: namesOf(checkpoint, textTower), v: namesOf(checkpoint, imageTower(image)) };
    return (canonical) => {
      if (canonical === "v.class_embd.weight")
        return { name: "vision_model.embeddings.class_embedding", shape: [image.hidden] };
      const [, tower, name] = /^([tv])\.(.*)$/.exec(canonical) ?? [];
      return tower === undefined ? canonical : towers[tower as "t" | "v"](name!);
    };
  },
  /** Places by number, which old files store. */
  unread: ({ tensors }: Checkpoint): string[] => [...tensors.keys()].filter((name) => name.endsWith(".position_ids")),
  open(weights: WeightSource): ImageText {
    const { text, image, width } = configure(weights.config);
    const encoder = new PlainTextEncoder(text, prefixed(weights, "t."));
    return new ImageText(encoder, new ImageEncoder(image, prefixed(weights, "v.")), weights, width);
  },
};
export type ImageTextArchitecture = typeof clip;
