import { readTransformer } from "../config/config.ts";
import { axesDecoder } from "../images/axes-decoder.ts";
import { patchArchitecture } from "../images/patch-architecture.ts";
import type { StoredAs } from "../tensors/names.ts";
import { readQwenExperts } from "./qwen2-moe.ts";
import { qwen3Axes, qwen3Tower } from "./qwen3-vl.ts";

const NAME = "qwen3_vl_moe";
const WHAT = "a Qwen3-VL with experts";

/** Stacks of matrices as [inputs, outputs], with gate and up projections adjacent. */
const stacked = { transposed: true, part: [0, 1] } as const;
const half = (at: number): StoredAs => ({
  ...{ ...stacked, name: "mlp.experts.gate_up_proj" },
  every: { at, of: 2, side: "blocks of columns" },
});

const language = axesDecoder(NAME, {
  ...qwen3Axes,
  what: WHAT,
  usual: {
    ...{ vocab_size: 151936, hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 24 },
    ...{ num_attention_heads: 16, num_key_value_heads: 16, max_position_embeddings: 128000, rms_norm_eps: 1e-6 },
    ...{ num_experts: 60, num_experts_per_tok: 4, moe_intermediate_size: 1408 },
  },
  parts: {
    ffn_gate_inp: "mlp.gate",
    ffn_gate_exps: half(0),
    ffn_up_exps: half(1),
    ffn_down_exps: { ...stacked, name: "mlp.experts.down_proj" },
  },
  configure(fields, own) {
    fields.only("norm_topk_prob", [true]);
    return readTransformer(fields, { experts: readQwenExperts(fields, true), headNorm: "head", ...own });
  },
});

/** Qwen3-VL with experts (Qwen Team 2025): the encoder of Qwen3-VL before a Qwen3-MoE. */
export const qwen3VlMoe = patchArchitecture(NAME, { what: WHAT, language, tower: qwen3Tower });
