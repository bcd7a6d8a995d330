import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { slidingWindow } from "../config/window.ts";
import { llamaNames, withParts } from "../tensors/names.ts";

/** Phi-3 and Phi-4 (Abdin et al. 2024): Llama with fused projections. */
export const phi3 = decoder("phi3", {
  scheme: withParts(llamaNames, { attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj" }),
  defaults: { rms_norm_eps: 1e-5 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { fused: true, window: slidingWindow(fields, () => true) });
  },
});
