import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import { slidingWindow } from "../config/window.ts";
import { llamaNames, withParts } from "../tensors/names.ts";

/** Mixtral (Jiang et al. 2024): Mistral with two of eight feed-forwards per token. Its GGUFs use llama's name. */
export const mixtral = decoder("mixtral", {
  scheme: withParts(llamaNames, {
    ffn_gate_inp: "block_sparse_moe.gate",
    ffn_gate_exps: "block_sparse_moe.experts.{expert}.w1",
    ffn_up_exps: "block_sparse_moe.experts.{expert}.w3",
    ffn_down_exps: "block_sparse_moe.experts.{expert}.w2",
  }),
  defaults: { rms_norm_eps: 1e-5, rope_theta: 1e6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, {
      experts: readExperts(fields, mixtralKeys),
      window: slidingWindow(fields, () => true),
    });
  },
});
