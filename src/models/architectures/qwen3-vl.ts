import { z } from "zod";
import { checkValues, readTransformer } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { axesDecoder } from "../images/axes-decoder.ts";
import { patchArchitecture } from "../images/patch-architecture.ts";
import type { PatchEncoderConfig } from "../images/patch-encoder.ts";
import type { TowerTraits } from "../images/patch-tower.ts";

const NAME = "qwen3_vl";
const WHAT = "a Qwen3-VL";

/** Positions of a Qwen3 with interleaved axes. */
export const qwen3Axes = { theta: 5e5, pairs: [24, 20, 20], woven: true } as const;

const language = axesDecoder(NAME, {
  ...qwen3Axes,
  what: WHAT,
  usual: {
    ...{ vocab_size: 151936, hidden_size: 4096, intermediate_size: 22016, num_hidden_layers: 32, head_dim: 128 },
    ...{ num_attention_heads: 32, num_key_value_heads: 32, max_position_embeddings: 128000, rms_norm_eps: 1e-6 },
  },
  configure: (fields, own) => readTransformer(fields, { headNorm: "head", ...own }),
});

/** The layers whose outputs are added to the decoder's first layers, and the side of the position grid. */
function deepOf(fields: Fields): Pick<PatchEncoderConfig, "deep" | "positionSide"> {
  const layer = z
    .int()
    .min(0)
    .max(fields.number(undefined, "depth") - 1);
  const checkedValues = checkValues(
    z.object({ deep: z.array(layer).max(64), positionSide: z.int().min(1).max(1024) }),
    fields.source,
    {
      deep: fields.list("deepstack_visual_indexes"),
      positionSide: Math.sqrt(fields.number(undefined, "num_position_embeddings")),
    },
  );
  if (new Set(checkedValues.deep).size === checkedValues.deep.length) return checkedValues;
  return fields.refuse("deepstack_visual_indexes", checkedValues.deep, "each layer once");
}

const merger = (name: string, place: string) => ({
  [`${name}.0`]: `${place}.linear_fc1`,
  [`${name}.2`]: `${place}.linear_fc2`,
});

/** In the mergers of the `deep` streams, the norm comes after merging. */
const deepMerger = (_: number, i: number) => ({
  ...merger(`mm.deep.${i}`, `deepstack_merger_list.${i}`),
  [`mm.deep.${i}.norm`]: `deepstack_merger_list.${i}.norm`,
});

/** The encoder of Qwen3-VL, dense or with experts. */
export const qwen3Tower: TowerTraits = {
  usual: {
    ...{ depth: 27, hidden_size: 1152, hidden_act: "gelu_pytorch_tanh", intermediate_size: 4304, num_heads: 16 },
    ...{ patch_size: 16, num_position_embeddings: 2304, deepstack_visual_indexes: [8, 16, 24] },
  },
  widths: (fields) => ({
    hidden: fields.number(undefined, "hidden_size"),
    ffn: fields.number(undefined, "intermediate_size"),
  }),
  own: (fields) => ({ patchBias: true, ...deepOf(fields) }),
  parts: {
    ...{ attn_norm: "norm1", attn_qkv: "attn.qkv", attn_output: "attn.proj" },
    ...{ ffn_norm: "norm2", ffn_up: "mlp.linear_fc1", ffn_down: "mlp.linear_fc2" },
  },
  top: { output_norm: "merger.norm", position_embd: "pos_embed" },
  merger: ({ deep }) => Object.assign(merger("mm", "merger"), ...deep.map(deepMerger)),
};

/**
 * Qwen3-VL (Qwen Team 2025): an image encoder with learned positions and rotations. Outputs of its earlier layers are
 * added after the first layers of a Qwen3 (DeepStack, Meng et al. 2024), whose position axes are interleaved.
 */
export const qwen3Vl = patchArchitecture(NAME, { what: WHAT, language, tower: qwen3Tower });
