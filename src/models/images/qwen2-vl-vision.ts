import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { checkValues, readEncoder } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { namesOf, type Scheme } from "../tensors/names.ts";
import { clipShared, visionConfig } from "./clip-vision.ts";
import type { PatchEncoderConfig } from "./patch-encoder.ts";

/** The values of published files that leave some out, by transformers. */
const usual = {
  ...{ depth: 32, embed_dim: 1280, hidden_act: "quick_gelu", mlp_ratio: 4, num_heads: 16, in_channels: 3 },
  ...{ patch_size: 14, spatial_merge_size: 2, temporal_patch_size: 2 },
};

const sizes = z.object({
  channels: z.literal(3),
  patchSize: z.int().min(1).max(1024),
  merge: z.int().min(1).max(16),
  frames: z.int().min(1).max(16),
});

/** The greatest position on an axis of an image: patches of a side. */
const SIDE = 2 ** 14;

/** Qwen2-VL's encoder of images, by a configuration's `vision_config`. @throws UserError */
export function readPatchEncoder(
  source: Extract<ConfigSource, { kind: "huggingface" }>,
  name: string,
): PatchEncoderConfig {
  const given = { ...usual, ...visionConfig(source, name) };
  const fields = new Fields({ ...source, config: given }, name);
  const number = (key: string) => fields.number(undefined, key);
  const own = checkValues(sizes, source, {
    channels: number("in_channels"),
    patchSize: number("patch_size"),
    merge: number("spatial_merge_size"),
    frames: number("temporal_patch_size"),
  });
  const config = {
    ...{
      hidden_size: number("embed_dim"),
      num_hidden_layers: number("depth"),
      num_attention_heads: number("num_heads"),
    },
    ...{ intermediate_size: Math.trunc(number("embed_dim") * number("mlp_ratio")), layer_norm_eps: 1e-6 },
    ...{ hidden_act: fields.value("hidden_act"), vocab_size: 1, max_position_embeddings: SIDE },
  };
  const read = readEncoder(new Fields({ ...source, config }, name), { ...clipShared, fused: true });
  if (read.headSize % 4 !== 0)
    throw new UserError(`${source.path}: heads of images must be a multiple of 4 wide, got ${read.headSize}`);
  const rope = new Fields({ ...source, config: fields.object("rope_parameters") ?? {} }, name);
  return { ...read, ...own, rotaryBase: rope.number(undefined, "rope_theta", 10000) };
}

const prefixes = ["visual.", "model.visual."];

const tower: Scheme = {
  prefixes,
  layers: "blocks",
  parts: {
    attn_norm: "norm1",
    attn_qkv: "attn.qkv",
    attn_output: "attn.proj",
    ffn_norm: "norm2",
    ffn_up: "mlp.fc1",
    ffn_down: "mlp.fc2",
  },
  top: { output_norm: "merger.ln_q" },
};

const merger: Scheme = { prefixes, layers: "", parts: {}, top: { "mm.0": "merger.mlp.0", "mm.2": "merger.mlp.2" } };

/** The checkpoint's names of the encoder, `v.`, and the merger behind it, `mm.`. */
export function patchNames(checkpoint: Checkpoint, { hidden, channels, frames, patchSize }: PatchEncoderConfig): Names {
  const shape = [hidden, channels, frames, patchSize, patchSize];
  const patches: Scheme = { ...tower, top: { ...tower.top, patch_embd: { name: "patch_embed.proj", shape } } };
  const [inside, behind] = [namesOf(checkpoint, patches), namesOf(checkpoint, merger)];
  return (canonical) => (canonical.startsWith("v.") ? inside(canonical.slice(2)) : behind(canonical));
}
