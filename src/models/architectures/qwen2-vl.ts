import { readTransformer } from "../config/config.ts";
import { axesDecoder } from "../images/axes-decoder.ts";
import { patchArchitecture } from "../images/patch-architecture.ts";
import type { TowerTraits } from "../images/patch-tower.ts";
import { qwenWindow } from "./qwen2.ts";

const NAME = "qwen2_vl";
const WHAT = "a Qwen2-VL";

/** A Qwen2 in which tokens have positions on three axes. */
export const qwenVlLanguage = (name: string, what: string) =>
  axesDecoder(name, {
    what,
    usual: {
      ...{ vocab_size: 152064, hidden_size: 8192, intermediate_size: 29568, num_hidden_layers: 80 },
      ...{ num_attention_heads: 64, num_key_value_heads: 8, max_position_embeddings: 32768, rms_norm_eps: 1e-5 },
    },
    theta: 1e6,
    pairs: [16, 24, 24],
    woven: false,
    configure: (fields, own) =>
      readTransformer(fields, { biases: ["attn_q", "attn_k", "attn_v"], window: qwenWindow(fields), ...own }),
  });

/** Tower names of both Qwen2-VL and Qwen2.5-VL. */
export const qwenTower = {
  parts: { attn_norm: "norm1", attn_qkv: "attn.qkv", attn_output: "attn.proj", ffn_norm: "norm2" },
  top: { output_norm: "merger.ln_q" },
  merger: () => ({ "mm.0": "merger.mlp.0", "mm.2": "merger.mlp.2" }),
} satisfies Partial<TowerTraits>;

const tower: TowerTraits = {
  ...qwenTower,
  usual: { depth: 32, embed_dim: 1280, hidden_act: "quick_gelu", mlp_ratio: 4, num_heads: 16 },
  parts: { ...qwenTower.parts, ffn_up: "mlp.fc1", ffn_down: "mlp.fc2" },
  widths(fields) {
    const hidden = fields.number(undefined, "embed_dim");
    return { hidden, ffn: Math.trunc(hidden * fields.number(undefined, "mlp_ratio")) };
  },
};

/**
 * Qwen2-VL (Wang et al. 2024): an encoder for images of any size, which merges squares of patches into rows of the
 * residual stream, and a Qwen2 with positions on three axes.
 */
export const qwen2Vl = patchArchitecture(NAME, { what: WHAT, language: qwenVlLanguage(NAME, WHAT), tower });
