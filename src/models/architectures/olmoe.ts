import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { readExperts } from "../config/experts-config.ts";
import { llamaNames, withParts } from "../tensors/names.ts";
import { qwenExperts } from "./qwen2-moe.ts";

/** OLMoE (Muennighoff et al. 2024): many small experts; queries and keys are normalised over all heads together. */
export const olmoe = decoder("olmoe", {
  scheme: withParts(llamaNames, qwenExperts),
  defaults: { rms_norm_eps: 1e-5 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    if (fields.value("clip_qkv") !== undefined) fields.refuse("clip_qkv", fields.value("clip_qkv"), "null");
    const gates = fields.flag("norm_topk_prob") ? "chosen" : "all";
    const experts = readExperts(fields, { count: "num_experts", width: "intermediate_size", gates });
    return readTransformer(fields, { experts, headNorm: "width" });
  },
});
