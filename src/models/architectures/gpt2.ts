import { decoder } from "../architecture.ts";
import { readActivation, readTransformer } from "../config/config.ts";
import type { Scheme, StoredAs } from "../tensors/names.ts";

/** GPT-2's projections are stored [inputs, outputs]. */
const turned = (name: string): StoredAs => ({ name, transposed: true });

const scheme: Scheme = {
  prefixes: ["transformer.", ""],
  layers: "h",
  parts: {
    attn_norm: "ln_1",
    attn_qkv: turned("attn.c_attn"),
    attn_output: turned("attn.c_proj"),
    ffn_norm: "ln_2",
    ffn_up: turned("mlp.c_fc"),
    ffn_down: turned("mlp.c_proj"),
  },
  top: { token_embd: "wte", position_embd: "wpe", output_norm: "ln_f", output: "/lm_head" },
};

/** GPT-2 (Radford et al. 2019): learned positions, layer norms, an ungated feed-forward, biases everywhere. */
export const gpt2 = decoder("gpt2", {
  scheme,
  keys: {
    hidden_size: "n_embd",
    num_hidden_layers: "n_layer",
    num_attention_heads: "n_head",
    max_position_embeddings: "n_positions",
    intermediate_size: "n_inner",
    layer_norm_eps: "layer_norm_epsilon",
  },
  defaults: { layer_norm_eps: 1e-5 },
  configure(fields) {
    fields.only("scale_attn_weights", [true]);
    const config = readTransformer(fields, {
      norm: "layer",
      fused: true,
      biases: ["attn_qkv", "attn_output", "ffn_up", "ffn_down"],
      activation: readActivation(fields, "activation_function", "gelu-tanh"),
      gated: false,
      rope: () => undefined,
      learnedPositions: true,
    });
    if (!fields.flag("scale_attn_by_inverse_layer_idx")) return config;
    return { ...config, attentionScale: (layer) => config.attentionScale(layer) / (layer + 1) };
  },
});
