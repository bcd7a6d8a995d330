import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { checkWidth, qwenSparseLayers, readExperts } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import type { ExpertsConfig } from "../decoder/transformer.ts";
import { llamaNames, withParts } from "../tensors/names.ts";
import { qwenWindow } from "./qwen2.ts";

/** Names of experts in a Qwen or OLMoE layer. */
export const qwenExperts = {
  ffn_gate_inp: "mlp.gate",
  ffn_gate_exps: "mlp.experts.{expert}.gate_proj",
  ffn_up_exps: "mlp.experts.{expert}.up_proj",
  ffn_down_exps: "mlp.experts.{expert}.down_proj",
};

/** The experts of a Qwen model; `normalised`: true if gates sum to 1 in a GGUF and, by default, in a config.json. */
export function readQwenExperts(fields: Fields, normalised: boolean): ExpertsConfig {
  const gates = fields.flag("norm_topk_prob", normalised) || (fields.gguf && normalised) ? "chosen" : "all";
  const has = qwenSparseLayers(fields);
  // transformers 5 writes Qwen3's expert count under `num_local_experts`.
  const count = fields.has(undefined, "num_local_experts") ? "num_local_experts" : "num_experts";
  return readExperts(fields, { count, width: "moe_intermediate_size", gates, has });
}

/** Qwen1.5-MoE and Qwen2-MoE (Qwen Team 2024): experts beside a shared expert with its own gate. */
export const qwen2Moe = decoder("qwen2moe", {
  scheme: withParts(llamaNames, {
    ...qwenExperts,
    ffn_gate_inp_shexp: "mlp.shared_expert_gate",
    ffn_gate_shexp: "mlp.shared_expert.gate_proj",
    ffn_up_shexp: "mlp.shared_expert.up_proj",
    ffn_down_shexp: "mlp.shared_expert.down_proj",
  }),
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    fields.only("qkv_bias", [true]);
    const width = fields.number("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
    checkWidth(fields, fields.gguf ? "expert_shared_feed_forward_length" : "shared_expert_intermediate_size", width);
    const experts = { ...readQwenExperts(fields, false), shared: { width, gated: true } };
    return readTransformer(fields, { experts, biases: ["attn_q", "attn_k", "attn_v"], window: qwenWindow(fields) });
  },
});
