import { UserError } from "../../util/errors.ts";
import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import { Fields } from "../config/fields.ts";
import { llamaNames, withParts } from "../tensors/names.ts";

/** The keys of the authors' configurations, looked up by transformers' keys. */
const OFFICIAL: Readonly<Record<string, string>> = {
  intermediate_size: "ffn_hidden_size",
  num_local_experts: "moe_num_experts",
  num_experts_per_tok: "moe_top_k",
  num_hidden_layers: "num_layers",
  max_position_embeddings: "n_positions",
};

const DEFAULTS = { rms_norm_eps: 1e-6 };

/** The fields under transformers' keys, from either form of the configuration. */
function inEitherDialect({ source, architecture }: Fields): Fields {
  if (source.kind === "gguf")
    throw new UserError(`${source.path}: JetMoE in GGUF is not supported, expected safetensors`);
  const official = Object.entries(OFFICIAL).filter(([key, own]) => !(key in source.config) && own in source.config);
  return new Fields(source, architecture, { head_dim: "kv_channels", ...Object.fromEntries(official) }, DEFAULTS);
}

/** The layers' norms use the default epsilon of their class, not the configuration's. */
const LAYER_EPSILON = 1e-6;

/**
 * JetMoE (Shen et al. 2024): both sublayers are mixtures of experts. Attention experts have separate queries and
 * outputs, and share keys and values.
 */
export const jetmoe = decoder("jetmoe", {
  scheme: withParts(llamaNames, {
    attn_gate_inp: "self_attention.experts.router.layer",
    attn_q_exps: { name: "self_attention.experts.input_linear", part: [0, 1] },
    attn_output_exps: { name: "self_attention.experts.output_linear", part: [0, 1] },
    attn_kv: "self_attention.kv_proj",
    attn_mix: "self_attention.experts",
    ffn_gate_inp: "mlp.router.layer",
    ffn_gate_exps: { name: "mlp.input_linear", part: [0, 2] },
    ffn_up_exps: { name: "mlp.input_linear", part: [1, 2] },
    ffn_down_exps: { name: "mlp.output_linear", part: [0, 1] },
    ffn_mix: "mlp",
  }),
  configure(original) {
    const fields = inEitherDialect(original);
    fields.only("activation_function", ["silu"]);
    fields.only("glu", [true]);
    fields.only("bias", [true]);
    const mixture = readExperts(fields, mixtralKeys);
    const kvHeads = fields.number(undefined, "num_key_value_heads");
    const heads = fields.number(undefined, "num_attention_heads");
    if (heads !== kvHeads * mixture.active)
      fields.refuse("num_attention_heads", heads, `${kvHeads} key-value heads · ${mixture.active} active experts`);
    const experts = { ...mixture, attention: true };
    return readTransformer(fields, { experts, beside: mixture.count, layerEpsilon: LAYER_EPSILON });
  },
});
