import type { ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import { decoder } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import { clipVisionTower, inSafetensors, readVision, visionConfig, withClassVector } from "../images/clip-vision.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { languageOf } from "../images/language-part.ts";
import { ShuffledVision, type ShuffledVisionConfig } from "../images/shuffled-vision.ts";
import type { VisionLanguageArchitecture } from "../images/vision.ts";
import { llamaNames, namesOf, type Scheme } from "../tensors/names.ts";

const NAME = "idefics3";
const WHAT = "an Idefics3";

/** transformers' defaults for fields missing from published files. */
const usual = {
  ...{ hidden_size: 1152, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 16 },
  ...{ num_channels: 3, image_size: 224, patch_size: 32, layer_norm_eps: 1e-6, hidden_act: "gelu_pytorch_tanh" },
};

const names: Scheme = { ...llamaNames, prefixes: ["model.text_model."] };

const connector: Scheme = {
  prefixes: ["model.connector."],
  layers: "",
  parts: {},
  top: { mm: "modality_projection.proj" },
};

/** Reads the image encoder's configuration. @throws UserError */
function configureVision(origin: ConfigSource): { image: ImageEncoderConfig; vision: ShuffledVisionConfig } {
  const source = inSafetensors(origin, WHAT);
  const fields = new Fields(source, NAME);
  const traits = { usual, classToken: false, patchBias: true, embeddingNorm: false };
  const image = readVision(source, NAME, visionConfig(source, NAME), traits);
  const scale = fields.number(undefined, "scale_factor", 2);
  const side = Math.floor(image.imageSize / image.patchSize);
  if (!Number.isInteger(side / scale) || scale < 1)
    fields.refuse("scale_factor", scale, `a number that divides the ${side} patches per side`);
  const { decoder: own, source: text } = languageOf(fields, WHAT);
  const imageToken = fields.number(undefined, "image_token_id", 128257);
  return { image, vision: { scale, hidden: own.configure(text).hidden, imageToken } };
}

const VISION = /^model\.(vision_model|connector)\./;

const language = decoder(NAME, {
  scheme: names,
  unread: VISION,
  configure(fields) {
    const { decoder: own, source } = languageOf(fields, WHAT);
    return own.configure(source);
  },
});

/**
 * Idefics3 (Laurençon et al. 2024) and SmolVLM (Marafioti et al. 2025): a SigLIP image encoder over tiles of an image,
 * a projection of squares of patches to rows of the residual stream, and a decoder. Canonical names of the encoder's
 * weights begin with `v.`, the projection's with `mm`.
 */
export const idefics3: VisionLanguageArchitecture = {
  ...language,
  tensors(checkpoint) {
    const { image } = configureVision(checkpoint.config);
    const tower = withClassVector(namesOf(checkpoint, clipVisionTower(image, ["model.vision_model."])), image);
    const [text, between] = [namesOf(checkpoint, names), namesOf(checkpoint, connector)];
    return (canonical) => {
      if (canonical.startsWith("v.")) return tower(canonical.slice(2));
      return (canonical.startsWith("mm.") ? between : text)(canonical);
    };
  },
  unreadVision: ({ tensors }) => [...tensors.keys()].filter((name) => !VISION.test(name)),
  hasNewTensor: (_, canonical) => canonical.endsWith(".bias") && canonical.startsWith("v."),
  vision(weights) {
    const { image, vision } = configureVision(weights.config);
    return new ShuffledVision(vision, new ImageEncoder(image, prefixed(weights, "v.")), weights);
  },
};
