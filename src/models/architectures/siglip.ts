import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { readEncoder } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { clipShared, inSafetensors, towerNames, withClassVector } from "../images/clip-vision.ts";
import { ImageEncoder } from "../images/image-encoder.ts";
import { ImageText, type ImageTextArchitecture, PlainTextEncoder } from "../images/image-text.ts";
import { readSiglipVision, siglipVisionTower, withProbe } from "../images/siglip-vision.ts";
import { namesOf, type Scheme } from "../tensors/names.ts";
import { clipTextTower } from "./clip.ts";

const NAME = "siglip";

/** Defaults for fields missing from published files, taken from SigLIP base. */
const usual = {
  ...{ vocab_size: 32000, hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12, num_attention_heads: 12 },
  ...{ max_position_embeddings: 64, layer_norm_eps: 1e-6, hidden_act: "gelu_pytorch_tanh" },
};

const textTower: Scheme = { ...clipTextTower, top: { ...clipTextTower.top, projection: "head" } };

const VISION = "vision_model.";

function configure(origin: ConfigSource) {
  const source = inSafetensors(origin, "a SigLIP");
  const fields = new Fields(source, NAME);
  const text = new Fields({ ...source, config: { ...usual, ...fields.object("text_config") } }, NAME);
  const vision = new Fields({ ...source, config: fields.object("vision_config") ?? {} }, NAME);
  vision.only("vision_use_head", [true]);
  const config = { text: readEncoder(text, clipShared), image: { ...readSiglipVision(source, NAME), probe: true } };
  const width = text.number(undefined, "projection_size", config.text.hidden);
  if (width !== config.image.hidden)
    throw new UserError(
      `${source.path}: text vectors have width ${width}, expected the width of image vectors, ${config.image.hidden}`,
    );
  return { ...config, width };
}

/**
 * SigLIP (Zhai et al. 2023): a CLIP whose text encoder is bidirectional and reads texts that are padded to one length,
 * without a mask. A learned query pools images, and a sigmoid scores each label separately. SigLIP 2 models of fixed
 * size are identical in form (Tschannen et al. 2025).
 */
export const siglip: ImageTextArchitecture = {
  tensors(checkpoint: Checkpoint): Names {
    const { image } = configure(checkpoint.config);
    const vision = withClassVector(namesOf(checkpoint, siglipVisionTower(image, [VISION])), image);
    return towerNames({ t: namesOf(checkpoint, textTower), v: withProbe(vision, image, VISION) });
  },
  unread: ({ tensors }) => [...tensors.keys()].filter((name) => name.endsWith(".position_ids")),
  open(weights: WeightSource): ImageText {
    const { text, image, width } = configure(weights.config);
    const encoder = new PlainTextEncoder(text, prefixed(weights, "t."));
    const pictures = new ImageEncoder(image, prefixed(weights, "v."));
    const traits = { width, projected: ["t"], activation: "sigmoid", textLength: text.context } as const;
    return new ImageText(encoder, pictures, weights, traits);
  },
};
