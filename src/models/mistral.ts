import { decoder } from "./architecture.ts";
import { readTransformer } from "./config.ts";
import { llamaNames } from "./names.ts";
import { slidingWindow } from "./window.ts";

/** Mistral (Jiang et al. 2023): Llama with optional windows. Its GGUFs have llama's name. */
export const mistral = decoder("mistral", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { window: slidingWindow(fields, () => true) });
  },
});
