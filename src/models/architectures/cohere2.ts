import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { slidingPattern, slidingWindow } from "../config/window.ts";
import { llamaNames } from "../tensors/names.ts";

/**
 * Cohere 2 (Cohere 2024): parallel attention and feed-forward after one layer norm without a bias. Layers with a window
 * rotate neighbouring elements of a head; other layers have no rotary embedding.
 */
export const cohere2 = decoder("cohere2", {
  scheme: llamaNames,
  defaults: { layer_norm_eps: 1e-5, logit_scale: 0.0625 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    const window = slidingWindow(fields, slidingPattern(fields, 4));
    const norms = { norm: "layer", shifted: false, parallel: true } as const;
    const pairs = { pairs: "interleaved", pairsAsPublished: true } as const;
    const logitScale = fields.number("logit_scale", "logit_scale");
    const base = readTransformer(fields, { ...norms, ...pairs, window, logitScale });
    return { ...base, rope: (layer) => (window(layer) === undefined ? undefined : base.rope(layer)) };
  },
});
