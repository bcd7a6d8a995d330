import { decoder } from "../architecture.ts";
import { MATRICES, readTransformer } from "../config/config.ts";
import { llamaNames } from "../tensors/names.ts";

/** ERNIE 4.5, dense (Baidu 2025): Llama, except that neighbouring elements of a head are rotated, even in GGUFs. */
export const ernie45 = decoder("ernie4_5", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-5, rope_theta: 5e5 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    const biases = fields.flag("use_bias") ? MATRICES : [];
    return readTransformer(fields, { pairs: "interleaved", pairsAsPublished: true, biases });
  },
});
