import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { llamaNames } from "../tensors/names.ts";
import { qwenWindow } from "./qwen2.ts";

/** SmolLM3 (Hugging Face 2025): Llama, but without rotary embedding in every fourth layer. */
export const smollm3 = decoder("smollm3", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6, rope_theta: 2e6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    const base = readTransformer(fields, { pairs: fields.gguf ? "interleaved" : "half", window: qwenWindow(fields) });
    const rotates = rotatingLayers(fields);
    return { ...base, rope: (layer) => (rotates(layer) ? base.rope(layer) : undefined) };
  },
});

/** Despite its name, `no_rope_layers` contains a 1 for each layer with rotary embedding. */
function rotatingLayers(fields: Fields): (layer: number) => boolean {
  const flags = fields.list("no_rope_layers");
  const every = fields.number(undefined, "no_rope_layer_interval", 4);
  return (layer) => (flags ? flags[layer] !== 0 : (layer + 1) % every !== 0);
}
