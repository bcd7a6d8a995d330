import { z } from "zod";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { checkValues, readEncoder } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import type { EncoderConfig } from "../encoder/encoder.ts";
import {
  clipShared,
  clipTower,
  clipVisionTower,
  inSafetensors,
  readClipVision,
  towerNames,
  withClassVector,
} from "../images/clip-vision.ts";
import { ImageEncoder } from "../images/image-encoder.ts";
import { ImageText, type ImageTextArchitecture, PlainTextEncoder } from "../images/image-text.ts";
import { namesOf, type Scheme } from "../tensors/names.ts";

const NAME = "clip";

/** Defaults for fields missing from published files, taken from ViT-B/32's text tower. */
const usual = {
  ...{ vocab_size: 49408, hidden_size: 512, intermediate_size: 2048, num_hidden_layers: 12, num_attention_heads: 8 },
  ...{ max_position_embeddings: 77, layer_norm_eps: 1e-5, hidden_act: "quick_gelu" },
};

/** Tensor names in the text tower. */
export const clipTextTower: Scheme = {
  ...clipTower,
  prefixes: ["text_model."],
  top: {
    token_embd: "embeddings.token_embedding",
    position_embd: "embeddings.position_embedding",
    output_norm: "final_layer_norm",
    projection: "/text_projection",
  },
};

const common = z.object({ width: z.int().min(1).max(65536) });

/** Reads the text encoder's own configuration. @throws UserError */
export function readClipText(origin: ConfigSource): EncoderConfig {
  const source = inSafetensors(origin, "a CLIP");
  const fields = new Fields({ ...source, config: { ...usual, ...source.config } }, NAME);
  return readEncoder(fields, { ...clipShared, causal: true });
}

function configure(origin: ConfigSource) {
  const source = inSafetensors(origin, "a CLIP");
  const fields = new Fields(source, NAME);
  return {
    text: readClipText({ ...source, config: fields.object("text_config") ?? {} }),
    image: readClipVision(source, NAME),
    ...checkValues(common, source, { width: fields.number(undefined, "projection_dim", 512) }),
  };
}

/**
 * CLIP (Radford et al. 2021): an image encoder and a causal text encoder; a text's vector is the vector of its end
 * token. Canonical weight names begin with `v.` for the image encoder and with `t.` for the text encoder.
 */
export const clip: ImageTextArchitecture = {
  tensors(checkpoint: Checkpoint): Names {
    const { image } = configure(checkpoint.config);
    const vision = withClassVector(namesOf(checkpoint, clipVisionTower(image, ["vision_model."])), image);
    return towerNames({ t: namesOf(checkpoint, clipTextTower), v: vision });
  },
  /** Position ids, which old files contain. */
  unread: ({ tensors }: Checkpoint): string[] => [...tensors.keys()].filter((name) => name.endsWith(".position_ids")),
  open(weights: WeightSource): ImageText {
    const { text, image, width } = configure(weights.config);
    const encoder = new PlainTextEncoder(text, prefixed(weights, "t."));
    const pictures = new ImageEncoder(image, prefixed(weights, "v."));
    return new ImageText(encoder, pictures, weights, { width, projected: ["t", "v"], activation: "softmax" });
  },
};
