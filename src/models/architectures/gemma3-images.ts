import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Fields } from "../config/fields.ts";
import { clipVisionTower, inSafetensors, withClassVector } from "../images/clip-vision.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { PooledVision, type PooledVisionConfig } from "../images/pooled-vision.ts";
import { readSiglipVision } from "../images/siglip-vision.ts";
import type { VisionLanguageArchitecture } from "../images/vision.ts";
import { namesOf } from "../tensors/names.ts";
import { gemma3 } from "./gemma3.ts";

const NAME = "gemma3";
const WHAT = "a Gemma 3 that reads images";

/** Reads the image encoder's configuration. @throws UserError */
function configureVision(origin: ConfigSource): { image: ImageEncoderConfig; vision: PooledVisionConfig } {
  const source = inSafetensors(origin, WHAT);
  const fields = new Fields(source, NAME);
  const image = readSiglipVision(source, NAME);
  const side = Math.floor(image.imageSize / image.patchSize);
  const rows = fields.number(undefined, "mm_tokens_per_image", 256);
  const scale = side / Math.sqrt(rows);
  if (!Number.isInteger(scale) || scale < 1)
    fields.refuse("mm_tokens_per_image", rows, `a square number whose root divides the ${side} patches per side`);
  const imageToken = fields.number(undefined, "boi_token_index", 255999);
  const endToken = fields.number(undefined, "eoi_token_index", 256000);
  return { image, vision: { scale, hidden: gemma3.configure(source).hidden, imageToken, endToken } };
}

const VISION = /^(model\.)?(vision_tower|multi_modal_projector)\./;
/** The head that pools an image into one vector, and position ids, which old files contain. */
const UNREAD = /\.(head\..*|position_ids)$/;

const towerPrefixes = [
  "vision_tower.vision_model.",
  "vision_tower.",
  "model.vision_tower.vision_model.",
  "model.vision_tower.",
];

const NORM = "multi_modal_projector.mm_soft_emb_norm.weight";

/** The checkpoint's names for the layers after the tower: a norm and a projection. */
function projectorNames({ tensors }: Checkpoint): Names {
  const prefix = tensors.has(NORM) ? "" : "model.";
  return (canonical) =>
    canonical === "mm.norm.weight"
      ? { name: prefix + NORM, plus: 1 }
      : { name: `${prefix}multi_modal_projector.mm_input_projection_${canonical.slice(3)}`, transposed: true };
}

/**
 * Gemma 3 with images (Gemma Team 2025): a SigLIP image encoder; squares of its patches are averaged into rows of the
 * residual stream. Canonical names of the encoder's weights begin with `v.`, the projection's with `mm`.
 */
export const gemma3Images: VisionLanguageArchitecture = {
  ...gemma3,
  tensors(checkpoint) {
    const { image } = configureVision(checkpoint.config);
    const tower = withClassVector(namesOf(checkpoint, clipVisionTower(image, towerPrefixes)), image);
    const [text, between] = [gemma3.tensors(checkpoint), projectorNames(checkpoint)];
    return (canonical) => {
      if (canonical.startsWith("v.")) return tower(canonical.slice(2));
      return (canonical.startsWith("mm.") ? between : text)(canonical);
    };
  },
  unreadVision: ({ tensors }) => [...tensors.keys()].filter((name) => !VISION.test(name) || UNREAD.test(name)),
  hasNewTensor: (_, canonical) => canonical.endsWith(".bias") && canonical.startsWith("v."),
  vision(weights) {
    const { image, vision } = configureVision(weights.config);
    return new PooledVision(vision, new ImageEncoder(image, prefixed(weights, "v.")), weights);
  },
};
