import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { readDenoiser } from "../decoder/denoiser.ts";
import type { Scheme } from "../tensors/names.ts";

const names: Scheme = {
  prefixes: ["model.transformer.", "transformer."],
  layers: "blocks",
  parts: {
    attn_norm: "attn_norm",
    attn_q: "q_proj",
    attn_k: "k_proj",
    attn_v: "v_proj",
    attn_output: "attn_out",
    ffn_norm: "ff_norm",
    ffn_gate: "ff_proj",
    ffn_up: "up_proj",
    ffn_down: "ff_out",
  },
  top: { token_embd: "wte", output_norm: "ln_f", output: "ff_out" },
};

/** LLaDA (Nie et al. 2025, arXiv 2502.09992): Llama without a causal mask, with OLMo's tensor names. */
export const llada = decoder("llada", {
  scheme: names,
  keys: {
    hidden_size: "d_model",
    num_hidden_layers: "n_layers",
    num_attention_heads: "n_heads",
    num_key_value_heads: "n_kv_heads",
    intermediate_size: "mlp_hidden_size",
    max_position_embeddings: "max_sequence_length",
  },
  configure(fields) {
    fields.only("activation_type", ["silu"]);
    fields.only("block_type", ["llama"]);
    fields.only("layer_norm_type", ["rms"]);
    for (const unused of ["include_bias", "include_qkv_bias", "alibi", "attention_layer_norm", "scale_logits"])
      fields.only(unused, [false]);
    fields.only("rope", [true]);
    return readTransformer(fields, {
      // llama.cpp's converter permutes q and k to make rotated pairs adjacent.
      pairs: fields.gguf ? "interleaved" : "half",
      denoiser: readDenoiser(fields, false),
    });
  },
});
