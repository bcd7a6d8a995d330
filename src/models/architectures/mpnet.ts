import { encoder } from "../architecture.ts";
import { readEncoder } from "../config/config.ts";
import { withParts } from "../tensors/names.ts";
import { bertScheme } from "./bert.ts";
import { robertaTop } from "./roberta.ts";

/** Fixed in the reference implementation, whatever the configuration says. */
const [PADDING, BUCKETS, REACH] = [1, 32, 128];

/** MPNet (Song et al. 2020): RoBERTa with biases by distance, one table for all layers, as in T5's encoder. */
export const mpnet = encoder("mpnet", {
  scheme: {
    ...withParts(bertScheme, {
      attn_q: "attention.attn.q",
      attn_k: "attention.attn.k",
      attn_v: "attention.attn.v",
      attn_output: "attention.attn.o",
      attn_output_norm: "attention.LayerNorm",
    }),
    prefixes: ["mpnet.", ""],
    top: { ...robertaTop, attn_rel_b: "encoder.relative_attention_bias" },
  },
  defaults: { layer_norm_eps: 1e-12 },
  configure(fields) {
    fields.only("relative_attention_num_buckets", [BUCKETS]);
    return readEncoder(fields, {
      firstPosition: PADDING + 1,
      context: fields.number(undefined, "max_position_embeddings") - PADDING - 1,
      biases: { buckets: BUCKETS, reach: REACH, bidirectional: true },
      classifier: { dense: "cls", activation: "tanh", output: "cls.output", pooling: "cls" },
    });
  },
});
