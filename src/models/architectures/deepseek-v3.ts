import { decoder } from "../architecture.ts";
import { readDeepSeekExperts, readScoredGates } from "../config/experts-config.ts";
import { readLatentTransformer } from "../config/latent-config.ts";
import { deepSeekDefaults, deepSeekScheme } from "./deepseek-v2.ts";

/** DeepSeek-V3 and R1 (DeepSeek-AI 2024): V2's latent attention, and experts with sigmoid gates. GGUFs name it `deepseek2`. */
export const deepSeekV3 = decoder("deepseek2", {
  scheme: deepSeekScheme,
  defaults: {
    ...deepSeekDefaults,
    first_k_dense_replace: 3,
    n_routed_experts: 256,
    num_experts_per_tok: 8,
    moe_intermediate_size: 2048,
    n_group: 8,
    topk_group: 4,
    routed_scaling_factor: 2.5,
  },
  moreLayers: true,
  configure(fields) {
    fields.only("scoring_func", ["sigmoid"]);
    fields.only("topk_method", ["noaux_tc"]);
    return readLatentTransformer(fields, {
      experts: readDeepSeekExperts(fields, readScoredGates(fields, true)),
      pairs: fields.flag("rope_interleave", true) ? "interleaved" : "half",
    });
  },
});
