import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { readDenoiser } from "../decoder/denoiser.ts";
import { llamaNames } from "../tensors/names.ts";

/** Dream (Ye et al. 2025, arXiv 2508.15487): Qwen2 without a causal mask; a token's logits are one position before it. */
export const dream = decoder("dream", {
  scheme: llamaNames,
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    fields.only("use_sliding_window", [false]);
    return readTransformer(fields, { biases: ["attn_q", "attn_k", "attn_v"], denoiser: readDenoiser(fields, true) });
  },
});
