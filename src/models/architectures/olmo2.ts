import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { llamaNames, withParts } from "../tensors/names.ts";

/** Llama's names, with norms after the sublayers. */
export const olmo2Names = withParts(llamaNames, {
  post_attention_norm: "post_attention_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
});

/** OLMo 2 (OLMo Team 2024): normalises each sublayer's output instead of its input, and queries and keys over all heads together. */
export const olmo2 = decoder("olmo2", {
  scheme: olmo2Names,
  defaults: { rms_norm_eps: 1e-5 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { norms: "after", headNorm: "width" });
  },
});
