import type { ScoredGates } from "../../nn/moe/route.ts";
import { decoder } from "../architecture.ts";
import { readDeepSeekExperts, readGroups, readScoredGates } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import { readLatentTransformer } from "../config/latent-config.ts";
import { type Scheme, withParts } from "../tensors/names.ts";
import { deepSeekMixture } from "./glm4-moe.ts";

export const deepSeekScheme: Scheme = {
  ...withParts(deepSeekMixture, {
    attn_q_a: "self_attn.q_a_proj",
    attn_q_a_norm: "self_attn.q_a_layernorm",
    attn_q_b: "self_attn.q_b_proj",
    attn_kv_a_mqa: "self_attn.kv_a_proj_with_mqa",
    attn_kv_a_norm: "self_attn.kv_a_layernorm",
    attn_kv_b: "self_attn.kv_b_proj",
  }),
  turned: ["attn_k_b"],
};

/** Hugging Face's defaults for both V2 and V3. */
export const deepSeekDefaults = {
  rms_norm_eps: 1e-6,
  kv_lora_rank: 512,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  v_head_dim: 128,
};

/** GGUF's codes for a softmax over all experts, and for sigmoids, which DeepSeek-V3 uses. */
const [SOFTMAX, SIGMOID] = [1, 2];

function readGates(fields: Fields): ScoredGates {
  const gating = fields.number("expert_gating_func", undefined, SOFTMAX);
  if (gating === SIGMOID) return readScoredGates(fields, false);
  if (gating !== SOFTMAX) fields.refuse("expert_gating_func", gating, `${SOFTMAX}, a softmax, or ${SIGMOID}, sigmoids`);
  fields.only("scoring_func", ["softmax"]);
  fields.only("topk_method", ["greedy", "group_limited_greedy"]);
  fields.only("norm_topk_prob", [false]);
  const grouped = fields.gguf || fields.value("topk_method") === "group_limited_greedy";
  const own = { score: "softmax", biased: false, groups: grouped ? readGroups(fields, 1) : undefined } as const;
  return { ...readScoredGates(fields, false), ...own };
}

/**
 * DeepSeek-V2 and V2-Lite (DeepSeek-AI 2024): latent attention; routed and shared experts in all layers but the first.
 * Its GGUF name also covers V3.
 */
export const deepSeekV2 = decoder("deepseek2", {
  scheme: deepSeekScheme,
  defaults: { ...deepSeekDefaults, n_routed_experts: 64, n_shared_experts: 2, moe_intermediate_size: 1407 },
  moreLayers: true,
  configure: (fields) => readLatentTransformer(fields, { experts: readDeepSeekExperts(fields, readGates(fields)) }),
});
