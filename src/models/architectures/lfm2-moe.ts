import { hybrid } from "../architecture.ts";
import { readExperts, readScoredGates } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import { withParts } from "../tensors/names.ts";
import { type Lfm2Config, lfm2Keys, lfm2Scheme, lfm2Traits, readLfm2 } from "./lfm2.ts";

function configure(fields: Fields): Lfm2Config {
  const dense = fields.number("leading_dense_block_count", "num_dense_layers", 2);
  return readLfm2(fields, {
    experts: readExperts(fields, {
      ...{ count: "num_experts", width: "moe_intermediate_size" },
      gates: readGates(fields),
      has: (layer) => layer >= dense,
    }),
  });
}

/** For a GGUF, the published models' settings apply. */
function readGates(fields: Fields) {
  const gates = readScoredGates(fields, true);
  const biased = fields.gguf || fields.flag("use_expert_bias", true);
  return { ...gates, biased, epsilon: gates.epsilon && 1e-6 };
}

/** LFM2-MoE (Liquid AI 2025): LFM2 with experts in all layers but the first few, with sigmoid gates. */
export const lfm2Moe = hybrid<Lfm2Config>("lfm2moe", {
  ...lfm2Traits,
  scheme: {
    ...withParts(lfm2Scheme, {
      ffn_gate_inp: "feed_forward.gate",
      ffn_gate_exps: "feed_forward.experts.{expert}.w1",
      ffn_up_exps: "feed_forward.experts.{expert}.w3",
      ffn_down_exps: "feed_forward.experts.{expert}.w2",
    }),
    bare: { "exp_probs_b.bias": "feed_forward.expert_bias" },
  },
  keys: lfm2Keys,
  defaults: { rms_norm_eps: 1e-5, rope_theta: 1e6, num_experts: 32, num_experts_per_tok: 4 },
  configure,
});
