import { encoder } from "../architecture.ts";
import { readEncoder } from "../config/config.ts";
import { bertScheme } from "./bert.ts";

/** Tensors outside the layers, with their names in Hugging Face's code. */
export const robertaTop = {
  ...bertScheme.top,
  cls: "/classifier.dense",
  "cls.output": "/classifier.out_proj",
  mlm: "/lm_head.dense",
  mlm_norm: "/lm_head.layer_norm",
  mlm_output: "/lm_head",
};

/** RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2019): BERT with positions that start after the padding id. */
export const roberta = encoder("roberta", {
  scheme: {
    ...bertScheme,
    prefixes: ["roberta.", ""],
    top: robertaTop,
  },
  defaults: { layer_norm_eps: 1e-12 },
  configure(fields) {
    fields.only("position_embedding_type", ["absolute"]);
    const firstPosition = fields.number(undefined, "pad_token_id", 1) + 1;
    return readEncoder(fields, {
      firstPosition,
      context: fields.number(undefined, "max_position_embeddings") - firstPosition,
      types: fields.number(undefined, "type_vocab_size", 1),
      classifier: { dense: "cls", activation: "tanh", output: "cls.output", pooling: "cls" },
    });
  },
});
