import { encoder } from "./architecture.ts";
import { readEncoder } from "./config.ts";
import type { Scheme } from "./names.ts";

/** BERT's names of layers, which RoBERTa has taken over. */
export const bertScheme: Scheme = {
  prefixes: ["bert.", ""],
  layers: "encoder.layer",
  parts: {
    attn_q: "attention.self.query",
    attn_k: "attention.self.key",
    attn_v: "attention.self.value",
    attn_output: "attention.output.dense",
    attn_output_norm: "attention.output.LayerNorm",
    ffn_up: "intermediate.dense",
    ffn_down: "output.dense",
    layer_output_norm: "output.LayerNorm",
  },
  top: {
    token_embd: "embeddings.word_embeddings",
    position_embd: "embeddings.position_embeddings",
    token_types: "embeddings.token_type_embeddings",
    token_embd_norm: "embeddings.LayerNorm",
    cls: "pooler.dense",
    cls_output: "/classifier",
    mlm: "/cls.predictions.transform.dense",
    mlm_norm: "/cls.predictions.transform.LayerNorm",
    mlm_output: "/cls.predictions",
  },
};

/** BERT (Devlin et al. 2018) and its kin: MiniLM, BGE, E5, GTE, and cross-encoders made of them. */
export const bert = encoder("bert", {
  scheme: bertScheme,
  configure(fields) {
    fields.only("position_embedding_type", ["absolute"]);
    return readEncoder(fields, {
      types: fields.number("token_type_count", "type_vocab_size", 2),
      classifier: { dense: "cls", activation: "tanh", output: "cls_output", pooling: "cls" },
    });
  },
});
