import { encoder } from "../architecture.ts";
import { readEncoder, readHeadSize } from "../config/config.ts";
import { readRope } from "../config/rope.ts";
import { typesOf } from "./bert.ts";

/** Nomic BERT (Nussbaum et al. 2024): BERT with rotary positions, gated feed-forwards and projections without biases. */
export const nomicbert = encoder("nomic-bert", {
  scheme: {
    prefixes: ["", "nomic_bert.", "model."],
    layers: "encoder.layers",
    parts: {
      attn_qkv: "attn.Wqkv",
      attn_output: "attn.out_proj",
      attn_output_norm: "norm1",
      ffn_up: "mlp.fc11",
      ffn_gate: "mlp.fc12",
      ffn_down: "mlp.fc2",
      layer_output_norm: "norm2",
    },
    top: {
      token_embd: "embeddings.word_embeddings",
      token_types: "embeddings.token_type_embeddings",
      token_embd_norm: "emb_ln",
      cls: "pooler.dense",
      "cls.output": "/classifier",
      mlm: "/cls.predictions.transform.dense",
      mlm_norm: "/cls.predictions.transform.layer_norm",
      mlm_output: "/cls.predictions",
    },
  },
  defaults: { layer_norm_eps: 1e-12, rope_theta: 1000 },
  configure(fields, has) {
    fields.only("hidden_act", ["silu"]);
    const rope = readRope(
      fields,
      readHeadSize(fields),
      fields.number("context_length", "max_position_embeddings"),
      "full_attention",
    );
    return readEncoder(fields, {
      activation: "silu",
      rope: () => rope,
      fused: true,
      gated: "apart",
      types: typesOf(fields, has("token_types.weight")),
      firstPosition: undefined,
      classifier: { dense: "cls", activation: "tanh", output: "cls.output", pooling: "cls" },
    });
  },
});
