import { encoder } from "../architecture.ts";
import { readEncoder } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import type { Scheme } from "../tensors/names.ts";

/** BERT's layer names, which RoBERTa also uses. */
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
    "cls.output": "/classifier",
    mlm: "/cls.predictions.transform.dense",
    mlm_norm: "/cls.predictions.transform.LayerNorm",
    mlm_output: "/cls.predictions",
  },
};

/**
 * BERT (Devlin et al. 2018) and its variants: MiniLM, BGE, E5, GTE, and cross-encoders based on them. In GGUFs, this
 * name also covers RoBERTa, XLM-R and DistilBERT; their position tables begin with the first token's row there, and
 * DistilBERT has no token types.
 */
export const bert = encoder("bert", {
  scheme: bertScheme,
  defaults: { layer_norm_eps: 1e-12 },
  configure(fields, has) {
    fields.only("position_embedding_type", ["absolute"]);
    const types = typesOf(fields, has("token_types.weight"));
    return readEncoder(fields, {
      types,
      classifier: { dense: "cls", activation: types === 0 ? "relu" : "tanh", output: "cls.output", pooling: "cls" },
    });
  },
});

/** The number of token types; `hasVectors` is true if the checkpoint contains vectors for them. */
export function typesOf(fields: Fields, hasVectors: boolean): number {
  const { source } = fields;
  if (source.kind !== "gguf") return fields.number(undefined, "type_vocab_size", 2);
  return hasVectors ? source.metadata.integer("tokenizer.ggml.token_type_count", 2) : 0;
}
