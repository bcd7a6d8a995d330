import type { Axes } from "../../nn/rope-axes.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { prefixed } from "../../weights/prefixed.ts";
import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { inSafetensors } from "../images/clip-vision.ts";
import { MergedVision } from "../images/merged-vision.ts";
import { PatchEncoder } from "../images/patch-encoder.ts";
import { patchNames, readPatchEncoder } from "../images/qwen2-vl-vision.ts";
import type { VisionLanguageArchitecture } from "../images/vision.ts";
import { llamaNames, namesOf, type Scheme } from "../tensors/names.ts";
import { qwenWindow } from "./qwen2.ts";

const NAME = "qwen2_vl";
const WHAT = "a Qwen2-VL";

/** The values of published files that leave some out, by transformers. */
const usual = {
  ...{ vocab_size: 152064, hidden_size: 8192, intermediate_size: 29568, num_hidden_layers: 80 },
  ...{ num_attention_heads: 64, num_key_value_heads: 8, max_position_embeddings: 32768, rms_norm_eps: 1e-5 },
};

/** The decoder's fields, which older files have beside those of images. Sections of M-RoPE are no scaling. */
function textOf(given: ConfigSource): { fields: Fields; sections: Axes<number> } {
  const source = inSafetensors(given, WHAT);
  const own = new Fields(source, NAME).object("text_config") ?? source.config;
  const text = new Fields({ ...source, config: own }, NAME);
  const { mrope_section, ...rope } = { ...(text.object("rope_parameters") ?? text.object("rope_scaling")) };
  for (const key of ["type", "rope_type"]) if (rope[key] === "mrope") rope[key] = "default";
  const parameters = { rope_theta: text.value("rope_theta") ?? 1e6, ...rope };
  const config = { ...usual, ...own, rope_parameters: parameters, rope_scaling: undefined };
  return { fields: new Fields({ ...source, config }, NAME), sections: sectionsOf(text, mrope_section ?? [16, 24, 24]) };
}

function sectionsOf(fields: Fields, given: unknown): Axes<number> {
  if (Array.isArray(given) && given.length === 3 && given.every((n) => Number.isInteger(n) && n >= 0))
    return [given[0], given[1], given[2]];
  return fields.refuse("mrope_section", given, "three whole numbers");
}

const names: Scheme = { ...llamaNames, prefixes: ["model.", "model.language_model."] };

const VISION = /^(model\.)?visual\./;

const language = decoder(NAME, {
  scheme: names,
  unread: VISION,
  configure({ source }) {
    const { fields, sections } = textOf(source);
    fields.only("hidden_act", ["silu"]);
    const biases = ["attn_q", "attn_k", "attn_v"];
    const config = readTransformer(fields, { biases, window: qwenWindow(fields), sections, axes: true });
    const pairs = sections.reduce((sum, n) => sum + n, 0);
    if (pairs === config.headSize / 2 && config.storedHeadSize === undefined) return config;
    return fields.refuse(
      "mrope_section",
      sections,
      `sections of ${config.headSize / 2} pairs in all, heads in multiples of 16`,
    );
  },
});

/** The part that reads images, by a configuration. @throws UserError */
function configureVision(given: ConfigSource) {
  const source = inSafetensors(given, WHAT);
  const fields = new Fields(source, NAME);
  const imageToken = fields.number(undefined, "image_token_id", 151655);
  return { image: readPatchEncoder(source, NAME), place: { hidden: language.configure(source).hidden, imageToken } };
}

/**
 * Qwen2-VL (Wang et al. 2024): an encoder of images of any size, whose squares of patches are merged into rows of the
 * stream, and a Qwen2 with positions on three axes. `v.` begins the canonical names of the encoder's weights, `mm.` those of the merger.
 */
export const qwen2Vl: VisionLanguageArchitecture = {
  ...language,
  tensors(checkpoint) {
    const image = patchNames(checkpoint, configureVision(checkpoint.config).image);
    const text = namesOf(checkpoint, names);
    return (canonical) => (/^(v|mm)\./.test(canonical) ? image : text)(canonical);
  },
  unreadVision: ({ tensors }) => [...tensors.keys()].filter((name) => !VISION.test(name)),
  hasNewTensor: (_, canonical) => canonical.endsWith(".bias") && /^(v|mm)\./.test(canonical),
  vision(weights) {
    const { image, place } = configureVision(weights.config);
    return new MergedVision(place, new PatchEncoder(image, prefixed(weights, "v.")), weights);
  },
};
