import { encoder } from "./architecture.ts";
import { readEncoder } from "./config.ts";
import type { Fields } from "./fields.ts";
import { readRope } from "./rope.ts";
import { isSliding } from "./window.ts";

/** ModernBERT (Warner et al. 2024): rotary positions, gated feed-forwards, and two of three layers that see a neighbourhood only. */
export const modernbert = encoder("modernbert", {
  scheme: {
    prefixes: ["model.", ""],
    layers: "layers",
    parts: {
      attn_norm: "attn_norm",
      attn_qkv: "attn.Wqkv",
      attn_output: "attn.Wo",
      ffn_norm: "mlp_norm",
      ffn_up: "mlp.Wi",
      ffn_down: "mlp.Wo",
    },
    top: {
      token_embd: "embeddings.tok_embeddings",
      token_embd_norm: "embeddings.norm",
      output_norm: "final_norm",
      cls: "/head.dense",
      cls_norm: "/head.norm",
      cls_output: "/classifier",
      mlm_output: "/decoder",
    },
  },
  keys: { layer_norm_eps: "norm_eps", hidden_act: "hidden_activation" },
  configure(fields) {
    fields.only("classifier_activation", ["gelu"]);
    const head = { dense: "cls", norm: "cls_norm", activation: "gelu" } as const;
    const pooling = fields.value("classifier_pooling") === "mean" ? "mean" : "cls";
    return readEncoder(fields, {
      ...layerKinds(fields),
      norms: "before",
      shifted: fields.flag("norm_bias"),
      fused: true,
      gated: true,
      firstPosition: undefined,
      classifier: { ...head, output: "cls_output", pooling },
      predictor: { ...head, output: "mlm_output" },
    });
  },
});

function layerKinds(fields: Fields) {
  const every = fields.number(undefined, "global_attn_every_n_layers", 3);
  const local = isSliding(fields, (layer) => layer % every !== 0);
  const reach = Math.floor(fields.number(undefined, "local_attention", 128) / 2);
  const size = fields.number(undefined, "hidden_size") / fields.number(undefined, "num_attention_heads");
  const context = fields.number(undefined, "max_position_embeddings");
  const [far, near] = (["full", "sliding"] as const).map((kind) => {
    const rope = readRope(fields, size, context, `${kind}_attention`);
    // Before transformers 5, each kind's base had a key of its own.
    return {
      ...rope,
      theta: fields.optional(undefined, kind === "full" ? "global_rope_theta" : "local_rope_theta") ?? rope.theta,
    };
  });
  return {
    rope: (layer: number) => (local(layer) ? near : far),
    reach: (layer: number) => (local(layer) ? reach : undefined),
  };
}
