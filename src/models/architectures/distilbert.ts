import { encoder } from "../architecture.ts";
import { readEncoder } from "../config/config.ts";

/** DistilBERT (Sanh et al. 2019): BERT without token types, and with a different head. */
export const distilbert = encoder("distilbert", {
  scheme: {
    prefixes: ["distilbert.", ""],
    layers: "transformer.layer",
    parts: {
      attn_q: "attention.q_lin",
      attn_k: "attention.k_lin",
      attn_v: "attention.v_lin",
      attn_output: "attention.out_lin",
      attn_output_norm: "sa_layer_norm",
      ffn_up: "ffn.lin1",
      ffn_down: "ffn.lin2",
      layer_output_norm: "output_layer_norm",
    },
    top: {
      token_embd: "embeddings.word_embeddings",
      position_embd: "embeddings.position_embeddings",
      token_embd_norm: "embeddings.LayerNorm",
      cls: "/pre_classifier",
      "cls.output": "/classifier",
      mlm: "/vocab_transform",
      mlm_norm: "/vocab_layer_norm",
      mlm_output: "/vocab_projector",
    },
  },
  keys: {
    hidden_size: "dim",
    num_attention_heads: "n_heads",
    num_hidden_layers: "n_layers",
    intermediate_size: "hidden_dim",
    hidden_act: "activation",
  },
  configure: (fields) =>
    readEncoder(
      fields,
      { classifier: { dense: "cls", activation: "relu", output: "cls.output", pooling: "cls" } },
      // The reference implementation fixes this epsilon.
      1e-12,
    ),
});
