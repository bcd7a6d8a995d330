import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { readDeepSeekExperts, readScoredGates } from "../config/experts-config.ts";
import { llamaNames, type Scheme, withParts } from "../tensors/names.ts";
import { qwenExperts } from "./qwen2-moe.ts";

/** DeepSeek's tensor names for a mixture of experts, except the names for latent attention. */
export const deepSeekMixture: Scheme = {
  ...withParts(llamaNames, {
    ...qwenExperts,
    ffn_gate_shexp: "mlp.shared_experts.gate_proj",
    ffn_up_shexp: "mlp.shared_experts.up_proj",
    ffn_down_shexp: "mlp.shared_experts.down_proj",
  }),
  bare: { "exp_probs_b.bias": "mlp.gate.e_score_correction_bias" },
};

/**
 * GLM-4.5 (Zhipu AI 2025): grouped attention with partly rotated heads, which the larger model normalises;
 * DeepSeek-V3's mixture in all layers but the first few.
 */
export const glm4Moe = decoder("glm4moe", {
  scheme: { ...deepSeekMixture, gguf: { "ffn_norm.weight": "post_attention_norm.weight" } },
  defaults: {
    rms_norm_eps: 1e-5,
    partial_rotary_factor: 0.5,
    first_k_dense_replace: 1,
    n_routed_experts: 128,
    num_experts_per_tok: 8,
    moe_intermediate_size: 1408,
  },
  moreLayers: true,
  configure(fields, has) {
    fields.only("hidden_act", ["silu"]);
    const normalised = fields.flag("use_qk_norm", fields.gguf && has("blk.0.attn_q_norm.weight"));
    return readTransformer(fields, {
      experts: readDeepSeekExperts(fields, readScoredGates(fields, true)),
      ...(normalised && { headNorm: "head" }),
      biases: fields.flag("attention_bias") ? ["attn_q", "attn_k", "attn_v"] : [],
    });
  },
});
