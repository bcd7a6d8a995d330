import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import { openImages, openImageText, openVision } from "../images/open-vision.ts";
import { isOfKind, type OpenDecoder, openDecoder } from "../registry.ts";

type Json = Record<string, unknown>;

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Opens a fixture's checkpoint with a changed configuration. */
function changed(name: string, changes: (config: Json) => Json) {
  const checkpoint = openCheckpoint(fixture(name));
  const config = JSON.parse(readFileSync(`${fixture(name)}/config.json`, "utf8")) as Json;
  return {
    ...checkpoint,
    config: {
      kind: "huggingface" as const,
      path: `${fixture(name)}/config.json`,
      config: { ...config, ...changes(config) },
    },
  };
}

function openerOf(checkpoint: Checkpoint) {
  if (isOfKind("vision–language model", checkpoint)) return openVision;
  return isOfKind("image encoder", checkpoint) ? openImages : openImageText;
}

const inside = (part: string, changes: Json) => (config: Json) => ({
  [part]: { ...(config[part] as Json), ...changes },
});

/** Changes to the decoder's rotary embedding. */
const rope = (changes: Json) => (config: Json) => {
  const text = config["text_config"] as Json;
  return { text_config: { ...text, rope_parameters: { ...(text["rope_parameters"] as Json), ...changes } } };
};

describe("a configuration of images that would change the numbers is refused by name", () => {
  test.each<[string, string, (config: Json) => Json, string]>([
    [
      "siglip",
      "no head",
      inside("vision_config", { vision_use_head: false }),
      '"vision_use_head" is false, expected true',
    ],
    [
      "siglip",
      "two widths",
      inside("text_config", { projection_size: 24 }),
      "have width 24, expected the width of image vectors, 40",
    ],
    [
      "siglip",
      "an activation",
      inside("vision_config", { hidden_act: "mish" }),
      '"hidden_act" is "mish", expected gelu',
    ],
    ["siglip", "heads", inside("text_config", { num_attention_heads: 3 }), "the model's headSize"],
    [
      "clip",
      "a patch",
      inside("vision_config", { patch_size: 25 }),
      '"image_size" is 24, expected at least "patch_size", 25',
    ],
    [
      "clip",
      "channels",
      inside("vision_config", { num_channels: 1 }),
      "the model's channels: Invalid input: expected 3",
    ],
    ["vit", "heads", () => ({ num_attention_heads: 3 }), "the model's headSize"],
    ["vit", "a patch", () => ({ patch_size: 25 }), '"image_size" is 24, expected at least "patch_size", 25'],
    ["vit", "two sides", () => ({ image_size: [24, 32] }), '"image_size" is [24,32], expected a number'],
    ["dinov2", "a ratio", () => ({ mlp_ratio: "4" }), '"mlp_ratio" is "4", expected a number'],
    ["dinov2", "a flag", () => ({ use_swiglu_ffn: 1 }), '"use_swiglu_ffn" is 1, expected true or false'],
    [
      "gemma3-vision",
      "rows",
      () => ({ mm_tokens_per_image: 10 }),
      '"mm_tokens_per_image" is 10, expected a square number whose root divides the 6 patches',
    ],
    ["internvl", "norms", inside("vision_config", { norm_type: "rms_norm" }), '"norm_type" is "rms_norm"'],
    ["internvl", "a side", inside("vision_config", { image_size: [24, 32] }), '"image_size" is [24,32]'],
    [
      "internvl",
      "a ratio",
      () => ({ downsample_ratio: 0.25 }),
      '"downsample_ratio" is 0.25, expected 1 divided by a whole number that divides the 6 patches',
    ],
    [
      "idefics3",
      "a scale",
      () => ({ scale_factor: 3 }),
      '"scale_factor" is 3, expected a number that divides the 4 patches',
    ],
    [
      "idefics3",
      "a language",
      inside("text_config", { model_type: "gemma" }),
      '"text_config.model_type" is "gemma", expected',
    ],
    [
      "llava",
      "a tower",
      inside("vision_config", { model_type: "sam" }),
      '"vision_config.model_type" is "sam", expected',
    ],
    [
      "llava-next",
      "the whole image's token",
      () => ({ vision_feature_select_strategy: "full" }),
      '"vision_feature_select_strategy" is "full", expected "default"',
    ],
    [
      "qwen2-vl",
      "sections",
      rope({ mrope_section: [2, 3, 4] }),
      '"mrope_section" is [2,3,4], expected sections that sum to 8,',
    ],
    [
      "qwen2-vl",
      "no sections",
      rope({ mrope_section: "all" }),
      '"mrope_section" is "all", expected three whole numbers',
    ],
    ["qwen2-vl", "a scaling", rope({ rope_type: "dynamic" }), '"rope_scaling" is "dynamic"'],
    ["qwen2-5-vl", "a window", inside("vision_config", { window_size: 4 }), "the model's window: Too small"],
    [
      "qwen2-5-vl",
      "layers",
      inside("vision_config", { fullatt_block_indexes: "all" }),
      '"fullatt_block_indexes" is "all", expected a list',
    ],
    [
      "qwen3-vl",
      "a layer twice",
      inside("vision_config", { deepstack_visual_indexes: [1, 1] }),
      '"deepstack_visual_indexes" is [1,1], expected each layer once',
    ],
    ["qwen3-vl", "a layer", inside("vision_config", { deepstack_visual_indexes: [4] }), "the model's deep.0: Too big"],
    [
      "qwen3-vl",
      "as many layers as the decoder's",
      inside("vision_config", { deepstack_visual_indexes: [0, 1, 2, 3] }),
      "expected fewer layers than the decoder's 4",
    ],
    [
      "qwen3-vl",
      "positions",
      inside("vision_config", { num_position_embeddings: 35 }),
      "the model's positionSide: Invalid input: expected int",
    ],
    ["qwen2-vl", "frames", inside("vision_config", { temporal_patch_size: 0 }), "the model's frames: Too small"],
  ])("%s: %s", async (name, _, changes, sentence) => {
    const checkpoint = changed(name, changes);
    const open = openerOf(checkpoint);
    const attempt = () => open(checkpoint, "/nowhere", "f32");
    await expect(attempt).rejects.toThrow(UserError);
    await expect(attempt).rejects.toThrow(sentence);
  });
});

test("a Qwen2-VL's text fields may lie beside the image fields, as in its first files", async () => {
  const old = changed("qwen2-vl", ({ text_config: text }) => {
    const { rope_parameters: parameters, ...fields } = text as Json & { rope_parameters: Json };
    const { rope_theta, mrope_section } = parameters;
    return {
      ...fields,
      model_type: "qwen2_vl",
      text_config: undefined,
      rope_theta,
      rope_scaling: { type: "mrope", mrope_section },
    };
  });
  const [{ decoder }, { decoder: own }] = (await Promise.all(
    [old, openCheckpoint(fixture("qwen2-vl"))].map((checkpoint) => openDecoder(checkpoint, "/nowhere", "f32")),
  )) as [OpenDecoder, OpenDecoder];
  expect(JSON.stringify(decoder.config)).toBe(JSON.stringify(own.config));
  expect(decoder.attention(0)).toEqual(own.attention(0));
});
