import { type Mamba2Config, mamba2StateSize } from "../../nn/mamba2.ts";
import { hybrid } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import { Fields } from "../config/fields.ts";
import { readAttending } from "../config/hybrid-config.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, withParts } from "../tensors/names.ts";
import { graniteScales } from "./granite.ts";
import { bambaKeys, mamba2Bare, mamba2Mixer, mamba2Shapes, readMamba2, sizesOf } from "./mamba2.ts";

interface Config extends TransformerConfig {
  readonly mixer: Mamba2Config;
}

/** `intermediate_size` is an expert's width here; the mixer's width follows from its expansion. */
const MIXER_KEYS = { ...bambaKeys, intermediate_size: "mamba_intermediate_size" };
const MIXER_DEFAULTS = { num_heads: 128, n_groups: 1, state_size: 256, conv_kernel: 4, layer_norm_epsilon: 1e-6 };

const half = (at: 0 | 1) => ({ name: "shared_mlp.input_linear", part: [at, 2], oneLayer: true }) as const;

const scheme = {
  ...withParts(llamaNames, {
    ssm_in: "mamba.in_proj",
    ssm_conv1d: "mamba.conv1d",
    ssm_norm: "mamba.norm",
    ssm_out: "mamba.out_proj",
    ffn_gate: half(0),
    ffn_up: half(1),
    ffn_down: "shared_mlp.output_linear",
    ffn_gate_shexp: half(0),
    ffn_up_shexp: half(1),
    ffn_down_shexp: "shared_mlp.output_linear",
    ffn_gate_inp: "block_sparse_moe.router.layer",
    ffn_gate_exps: { name: "block_sparse_moe.input_linear", part: [0, 2] },
    ffn_up_exps: { name: "block_sparse_moe.input_linear", part: [1, 2] },
    ffn_down_exps: { name: "block_sparse_moe.output_linear", part: [0, 1] },
  }),
  bare: Object.fromEntries(Object.entries(mamba2Bare).map(([part, name]) => [part, `mamba.${name}`])),
};

function configure(fields: Fields): Config {
  fields.only("hidden_act", ["silu"]);
  const mixer = sizesOf(readMamba2(new Fields(fields.source, fields.architecture, MIXER_KEYS, MIXER_DEFAULTS)));
  const config = readTransformer(fields, {
    ...graniteScales(fields),
    ...readFeedForward(fields),
    ...(isRotated(fields) ? {} : { rope: () => undefined, longRopeBeyond: undefined }),
  });
  const types = { attention: ["attention", "full_attention"], recurrent: ["mamba", "linear_attention"] };
  const attends = readAttending(fields, config.layers, types);
  const floats = mamba2StateSize(mixer);
  return { ...config, mixer, recurrent: (layer) => (attends(layer) ? undefined : floats) };
}

/** The feed-forward network for every token, with experts beside it if the model has any. */
function readFeedForward(fields: Fields): Partial<TransformerConfig> {
  const count = fields.number("expert_count", "num_local_experts", 0);
  const width = fields.gguf && count === 0 ? "feed_forward_length" : "expert_shared_feed_forward_length";
  const ffn = fields.number(width, "shared_intermediate_size");
  if (count === 0) return { ffn };
  return { experts: { ...readExperts(fields, mixtralKeys), shared: { width: ffn, gated: false } } };
}

/** True if the model's attention uses positions. */
function isRotated(fields: Fields): boolean {
  const { source, architecture } = fields;
  if (source.kind === "gguf") return source.metadata.boolean(`${architecture}.rope.scaling.finetuned`, true);
  fields.only("position_embedding_type", ["nope", "rope"]);
  return fields.value("position_embedding_type") === "rope";
}

/**
 * Granite 4.0-H (IBM 2025): Granite's layers without positions, most with a Mamba-2 mixer instead of attention; a
 * shared feed-forward network, with or without experts beside it.
 */
export const graniteMoeHybrid = hybrid<Config>("granitehybrid", {
  scheme,
  defaults: {
    rms_norm_eps: 1e-6,
    shared_intermediate_size: 1024,
    num_local_experts: 8,
    num_experts_per_tok: 2,
    attention_multiplier: 1,
    embedding_multiplier: 1,
    residual_multiplier: 1,
    logits_scaling: 1,
  },
  configure,
  shapes: ({ mixer }) => mamba2Shapes(mixer),
  mixer: (weights, { mixer }) => mamba2Mixer(weights, mixer),
});
