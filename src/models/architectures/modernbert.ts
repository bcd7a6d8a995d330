import type { RopeConfig } from "../../nn/rope.ts";
import { encoder } from "../architecture.ts";
import { readEncoder, readHeadSize } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { readRope } from "../config/rope.ts";
import { isSliding, listedSliding } from "../config/window.ts";

/** ModernBERT (Warner et al. 2024): rotary positions, gated feed-forwards, and local attention in two of three layers. */
export const modernbert = encoder("modern-bert", {
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
      "cls.norm": "/head.norm",
      "cls.output": "/classifier",
      mlm_output: "/decoder",
    },
  },
  keys: { layer_norm_eps: "norm_eps", hidden_act: "hidden_activation" },
  defaults: { layer_norm_eps: 1e-5 },
  configure(fields) {
    fields.only("classifier_activation", ["gelu"]);
    const head = { dense: "cls", norm: "cls.norm", activation: "gelu" } as const;
    // A GGUF does not store the pooling: llama.cpp uses the mean.
    const pooling = fields.gguf || fields.value("classifier_pooling") === "mean" ? "mean" : "cls";
    return readEncoder(fields, {
      ...layerKinds(fields),
      norms: "before",
      shifted: fields.flag("norm_bias"),
      fused: true,
      gated: "joined",
      firstPosition: undefined,
      classifier: { ...head, output: "cls.output", pooling },
      predictor: { ...head, output: "mlm_output" },
    });
  },
});

function layerKinds(fields: Fields) {
  const local = isSliding(fields, slides(fields));
  const reach = Math.floor(fields.number("attention.sliding_window", "local_attention", 128) / 2);
  const { far, near } = rotaries(fields);
  return {
    rope: (layer: number) => (local(layer) ? near : far),
    reach: (layer: number) => (local(layer) ? reach : undefined),
  };
}

/** Layers with local attention: all but every third by default, or the layers in a GGUF's list. */
function slides(fields: Fields): (layer: number) => boolean {
  const listed = listedSliding(fields);
  if (listed) return listed;
  const every = fields.number("attention.sliding_window_pattern", "global_attn_every_n_layers", 3);
  return (layer) => layer % every !== 0;
}

function rotaries(fields: Fields) {
  const size = readHeadSize(fields);
  const context = fields.number("context_length", "max_position_embeddings");
  const [far, near] = (["full", "sliding"] as const).map((kind) =>
    readRope(fields, size, context, `${kind}_attention`),
  ) as [RopeConfig, RopeConfig];
  // Before transformers 5, each kind of layer had a separate key for the rotary base.
  const whole = fields.gguf || fields.has(undefined, "rope_parameters") ? far.theta : 160_000;
  const nearby = fields.gguf ? 10000 : near.theta;
  return {
    far: { ...far, theta: fields.number(undefined, "global_rope_theta", whole) },
    near: { ...near, theta: fields.number("rope.freq_base_swa", "local_rope_theta", nearby) },
  };
}
