import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames } from "../tensors/names.ts";

/** Granite's multipliers, and the order of rotated pairs in its checkpoints. */
export function graniteScales(fields: Fields): Partial<TransformerConfig> {
  const attentionScale = fields.number("attention.scale", "attention_multiplier");
  return {
    pairs: fields.gguf ? "interleaved" : "half",
    attentionScale: () => attentionScale,
    embeddingScale: fields.number("embedding_scale", "embedding_multiplier"),
    residualScale: fields.number("residual_scale", "residual_multiplier"),
    logitScale: 1 / fields.number("logit_scale", "logits_scaling"),
  };
}

/** Granite 3 (IBM 2024): Llama with multipliers on embeddings, attention scores, sublayers' outputs and logits. */
export const granite = decoder("granite", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, graniteScales(fields));
  },
});
