import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { llamaNames, withParts } from "../tensors/names.ts";
import { qwenWindow } from "./qwen2.ts";
import { qwenExperts, readQwenExperts } from "./qwen2-moe.ts";

/** Qwen3-MoE (Yang et al. 2025): Qwen3 with experts, without a shared expert. */
export const qwen3Moe = decoder("qwen3moe", {
  scheme: withParts(llamaNames, qwenExperts),
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    const experts = readQwenExperts(fields, fields.gguf);
    return readTransformer(fields, { experts, headNorm: "head", window: qwenWindow(fields) });
  },
});
