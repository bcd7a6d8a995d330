import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { slidingWindow } from "../config/window.ts";
import { llamaNames } from "../tensors/names.ts";

/** Windows of Qwen's later layers, if the configuration enables them. */
export function qwenWindow(fields: Fields): (layer: number) => number | undefined {
  if (!fields.flag("use_sliding_window")) return () => undefined;
  const first = fields.number(undefined, "max_window_layers", 0);
  return slidingWindow(fields, (layer) => layer >= first);
}

/** Qwen2 and Qwen2.5 (Yang et al. 2024): Llama with biases on queries, keys and values. */
export const qwen2 = decoder("qwen2", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { biases: ["attn_q", "attn_k", "attn_v"], window: qwenWindow(fields) });
  },
});
