import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { slidingWindow } from "../config/window.ts";
import { llamaNames } from "../tensors/names.ts";

/** Mistral (Jiang et al. 2023): Llama with optional windows. Its GGUFs use llama's name. */
export const mistral = decoder("mistral", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { window: slidingWindow(fields, () => true) });
  },
});
