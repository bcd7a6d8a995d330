import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { slidingWindow } from "../config/window.ts";
import { headSizeOf } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, offsetNorms, withParts } from "../tensors/names.ts";

/**
 * Reads the configuration that Gemma 2 and 3 share: norms around each sublayer, with gains stored minus one; GELU;
 * embeddings scaled by the square root of their width.
 */
export function readGemma(
  fields: Fields,
  own: (base: TransformerConfig) => Partial<TransformerConfig>,
): TransformerConfig {
  fields.only("hidden_activation", ["gelu_pytorch_tanh"]);
  fields.only("hidden_act", ["gelu_pytorch_tanh"]);
  const base = readTransformer(fields, { norms: "around", activation: "gelu-tanh" });
  const scale = attentionScale(fields, base);
  return {
    ...base,
    embeddingScale: Math.sqrt(base.hidden),
    attentionScale: () => scale,
    attentionSoftcap: fields.optional("attn_logit_softcapping", "attn_logit_softcapping"),
    logitSoftcap: fields.optional("final_logit_softcapping", "final_logit_softcapping"),
    ...own(base),
  };
}

/**
 * The factor of attention scores, which a GGUF does not store. As in llama.cpp, it is then derived
 * from the head size or, in the 27B models, from the hidden size per head.
 */
function attentionScale(fields: Fields, config: TransformerConfig): number {
  const { hidden, heads, layers } = config;
  const is27B = fields.gguf && (layers === 46 || layers === 62);
  const scalar = fields.number(undefined, "query_pre_attn_scalar", is27B ? hidden / heads : headSizeOf(config));
  return 1 / Math.sqrt(scalar);
}

export const gemmaNames = offsetNorms(
  withParts(llamaNames, {
    post_attention_norm: "post_attention_layernorm",
    ffn_norm: "pre_feedforward_layernorm",
    post_ffw_norm: "post_feedforward_layernorm",
  }),
);

/** Gemma 2 (Gemma Team 2024): every other layer has a window; attention scores and logits are capped. */
export const gemma2 = decoder("gemma2", {
  scheme: gemmaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure: (fields) => readGemma(fields, () => ({ window: slidingWindow(fields, (layer) => layer % 2 === 0) })),
});
