import type { ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { decoder } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import { inSafetensors, patchBias, readVision, visionConfig } from "../images/clip-vision.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { InternVision } from "../images/intern-vision.ts";
import { languageOf } from "../images/language-part.ts";
import type { ShuffledVisionConfig } from "../images/shuffled-vision.ts";
import type { VisionLanguageArchitecture } from "../images/vision.ts";
import { llamaNames, namesOf, type Scheme, withParts } from "../tensors/names.ts";
import { vitScheme, withVectors } from "./vit.ts";

const NAME = "internvl";
const WHAT = "an InternVL";

/** transformers' defaults for fields missing from published files. */
const usual = {
  ...{ hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, num_attention_heads: 16 },
  ...{ num_channels: 3, image_size: 448, patch_size: 14, layer_norm_eps: 1e-6, hidden_act: "gelu" },
};

/**
 * The decoder's architecture and fields. The scaling in published decoders affects only positions beyond
 * their context, which are not supported.
 */
function textOf(fields: Fields): ReturnType<typeof languageOf> {
  const { decoder: own, source } = languageOf(fields, WHAT);
  const key = ["rope_parameters", "rope_scaling"].find((one) => source.config[one]) ?? "rope_scaling";
  const { factor: _, ...rope } = { ...new Fields(source, NAME).object(key) };
  if (rope["original_max_position_embeddings"] !== undefined || (rope["rope_type"] ?? rope["type"]) !== "dynamic")
    return { decoder: own, source };
  const config = { ...source.config, [key]: { ...rope, rope_type: "default", type: undefined } };
  return { decoder: own, source: { ...source, config } };
}

/** Reads a side that may be configured as a pair of equal sides. */
const sideOf = (value: unknown): unknown =>
  Array.isArray(value) && value.length === 2 && value[0] === value[1] ? value[0] : value;

/** Reads the tower's configuration. @throws UserError */
function configureTower(source: ReturnType<typeof inSafetensors>): ImageEncoderConfig {
  const tower = visionConfig(source, NAME);
  const fields = new Fields({ ...source, config: tower }, NAME);
  fields.only("norm_type", ["layer_norm"]);
  fields.only("use_qk_norm", [false]);
  fields.only("use_absolute_position_embeddings", [true]);
  // With mean pooling, there is no norm after the last layer.
  fields.only("use_mean_pooling", [true]);
  const sizes = Object.entries(tower).map(([key, value]) => [
    key,
    /^(image|patch)_size$/.test(key) ? sideOf(value) : value,
  ]);
  const traits = { usual, classToken: true, patchBias: true, embeddingNorm: false };
  return { ...readVision(source, NAME, Object.fromEntries(sizes), traits), layerScale: true };
}

/** Reads the image encoder's configuration. @throws UserError */
function configureVision(origin: ConfigSource): { image: ImageEncoderConfig; vision: ShuffledVisionConfig } {
  const source = inSafetensors(origin, WHAT);
  const fields = new Fields(source, NAME);
  fields.only("projector_hidden_act", ["gelu"]);
  fields.only("vision_feature_layer", [-1]);
  fields.only("vision_feature_select_strategy", ["default"]);
  const image = configureTower(source);
  const side = Math.floor(image.imageSize / image.patchSize);
  const ratio = fields.number(undefined, "downsample_ratio", 0.5);
  const scale = 1 / ratio;
  if (!Number.isInteger(scale) || !Number.isInteger(side / scale))
    fields.refuse("downsample_ratio", ratio, `1 divided by a whole number that divides the ${side} patches per side`);
  const { decoder: own, source: text } = textOf(fields);
  const imageToken = fields.number(undefined, "image_token_id", 151667);
  return { image, vision: { scale, hidden: own.configure(text).hidden, imageToken } };
}

const names: Scheme = {
  ...llamaNames,
  prefixes: ["language_model.model.", "model.language_model."],
  top: { ...llamaNames.top, output: "/language_model.lm_head" },
};

/** The head's name in newer files. */
const HEAD = "lm_head.weight";

const projector: Scheme = {
  prefixes: ["multi_modal_projector.", "model.multi_modal_projector."],
  layers: "",
  parts: {},
  top: { "mm.0": "linear_1", "mm.2": "linear_2", "mm.norm": "layer_norm" },
};

const scheme = (config: ImageEncoderConfig): Scheme =>
  withParts(vitScheme(config, ["vision_tower.", "model.vision_tower."]), {
    attn_q: "attention.q_proj",
    attn_k: "attention.k_proj",
    attn_v: "attention.v_proj",
    attn_output: "attention.projection_layer",
    ffn_up: "mlp.fc1",
    ffn_down: "mlp.fc2",
  });

/** Names of a layer's two scale vectors. */
const withScales =
  (tower: Names): Names =>
  (canonical) => {
    const [, layer, part] = /^blk\.(\d+)\.(attn|ffn)_scale\.weight$/.exec(canonical) ?? [];
    if (layer === undefined) return tower(canonical);
    const prefix = patchBias(tower).replace(/embeddings\..*$/, "");
    return `${prefix}encoder.layer.${layer}.lambda_${part === "attn" ? 1 : 2}`;
  };

const VISION = /^(model\.)?(vision_tower|multi_modal_projector)\./;

const language = decoder(NAME, {
  scheme: names,
  unread: VISION,
  configure(fields) {
    const { decoder: own, source } = textOf(fields);
    return own.configure(source);
  },
});

/**
 * InternVL 2.5 and 3 in transformers' form (Zhu et al. 2025): a ViT over an image's tiles, with a scale per element
 * after attention and feed-forward; rows of the residual stream from squares of patches; and a decoder. Canonical
 * names of the tower's weights begin with `v.`, the projection's with `mm.`.
 */
export const internVl: VisionLanguageArchitecture = {
  ...language,
  tensors(checkpoint) {
    const { image } = configureVision(checkpoint.config);
    const tower = withScales(withVectors(namesOf(checkpoint, scheme(image)), image, image.context));
    const [text, between] = [namesOf(checkpoint, names), namesOf(checkpoint, projector)];
    return (canonical) => {
      if (canonical === "output.weight" && checkpoint.tensors.has(HEAD)) return HEAD;
      if (canonical.startsWith("v.")) return tower(canonical.slice(2));
      return (canonical.startsWith("mm.") ? between : text)(canonical);
    };
  },
  unreadVision: ({ tensors }) =>
    [...tensors.keys()].filter((name) => !VISION.test(name) || name.endsWith(".mask_token")),
  hasNewTensor: (_, canonical) => canonical.endsWith(".bias") && /^(v|mm)\./.test(canonical),
  vision(weights) {
    const { image, vision } = configureVision(weights.config);
    return new InternVision(vision, new ImageEncoder(image, prefixed(weights, "v.")), weights);
  },
};
