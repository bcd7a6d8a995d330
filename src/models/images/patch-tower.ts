import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { checkValues, readEncoder } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { namesOf, type Scheme } from "../tensors/names.ts";
import { clipShared, patchBias, visionConfig } from "./clip-vision.ts";
import type { PatchEncoderConfig } from "./patch-encoder.ts";

/** transformers' defaults for fields missing from published files, the same in every tower. */
const usual = { in_channels: 3, patch_size: 14, spatial_merge_size: 2, temporal_patch_size: 2 };

const sizes = z.object({
  channels: z.literal(3),
  patchSize: z.int().min(1).max(1024),
  merge: z.int().min(1).max(16),
  frames: z.int().min(1).max(16),
});

/** The maximum number of patches per side of an image. */
const SIDE = 2 ** 14;

/** Differences between patch encoders. */
export interface TowerTraits {
  /** transformers' defaults for fields missing from published files. */
  readonly usual: Readonly<Record<string, unknown>>;
  /** The width of the stream and of the feed-forward. */
  widths(fields: Fields): { readonly hidden: number; readonly ffn: number };
  own?(fields: Fields): Partial<PatchEncoderConfig>;
  /** Tensor names in the encoder's layers, and outside them. */
  readonly parts: Scheme["parts"];
  readonly top: Scheme["top"];
  /** Tensor names of the merger after the encoder. */
  merger(config: PatchEncoderConfig): Scheme["top"];
}

/** Reads a patch encoder from a configuration's `vision_config`. @throws UserError */
export function readPatchEncoder(
  source: Extract<ConfigSource, { kind: "huggingface" }>,
  name: string,
  traits: TowerTraits,
): PatchEncoderConfig {
  const values = { ...usual, ...traits.usual, ...visionConfig(source, name) };
  const fields = new Fields({ ...source, config: values }, name);
  const number = (key: string) => fields.number(undefined, key);
  const own = checkValues(sizes, source, {
    channels: number("in_channels"),
    patchSize: number("patch_size"),
    merge: number("spatial_merge_size"),
    frames: number("temporal_patch_size"),
  });
  const { hidden, ffn } = traits.widths(fields);
  const config = {
    ...{ hidden_size: hidden, num_hidden_layers: number("depth"), num_attention_heads: number("num_heads") },
    ...{ intermediate_size: ffn, layer_norm_eps: 1e-6, hidden_act: fields.value("hidden_act") },
    ...{ vocab_size: 1, max_position_embeddings: SIDE },
  };
  const read = readEncoder(new Fields({ ...source, config }, name), { ...clipShared, fused: true });
  if (read.headSize % 4 !== 0)
    throw new UserError(`${source.path}: the width of image heads must be a multiple of 4, got ${read.headSize}`);
  const rope = new Fields({ ...source, config: fields.object("rope_parameters") ?? {} }, name);
  const rotaryBase = rope.number(undefined, "rope_theta", 10000);
  return { ...read, ...own, rotaryBase, patchBias: false, deep: [], ...traits.own?.(fields) };
}

const prefixes = ["visual.", "model.visual."];

/** The checkpoint's names for the encoder (`v.`) and the merger after it (`mm.`). */
export function patchNames(checkpoint: Checkpoint, config: PatchEncoderConfig, traits: TowerTraits): Names {
  const { hidden, channels, frames, patchSize } = config;
  const shape = [hidden, channels, frames, patchSize, patchSize];
  const top = { ...traits.top, patch_embd: { name: "patch_embed.proj", shape } };
  const inside = namesOf(checkpoint, { prefixes, layers: "blocks", parts: traits.parts, top });
  const behind = namesOf(checkpoint, { prefixes, layers: "", parts: {}, top: traits.merger(config) });
  return (canonical) => {
    if (canonical === "v.patch_embd.bias") return patchBias(inside);
    return canonical.startsWith("v.") ? inside(canonical.slice(2)) : behind(canonical);
  };
}
