import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { llamaNames } from "../tensors/names.ts";
import { qwenWindow } from "./qwen2.ts";

/** Qwen3, dense (Yang et al. 2025): Qwen2 without its biases, and with normalised queries and keys in each head. */
export const qwen3 = decoder("qwen3", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { headNorm: "head", window: qwenWindow(fields) });
  },
});
