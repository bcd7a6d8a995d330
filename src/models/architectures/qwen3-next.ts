import { z } from "zod";
import { type GatedDeltaConfig, gatedDeltaRule, gatedDeltaStateSize, gatedDeltaStep } from "../../nn/gated-delta.ts";
import { UserError } from "../../util/errors.ts";
import { type HybridTraits, hybrid } from "../architecture.ts";
import { checkValues, readHeadSize, readTransformer } from "../config/config.ts";
import { checkWidth } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import { readAttending } from "../config/hybrid-config.ts";
import type { ExpertsConfig, TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, offsetNorms, type Scheme, withParts } from "../tensors/names.ts";
import { qwenExperts, readQwenExperts } from "./qwen2-moe.ts";

export interface DeltaConfig extends TransformerConfig {
  readonly mixer: GatedDeltaConfig;
}

/** Tensor names of everything except the mixer's projections. */
export const deltaScheme: Scheme = {
  ...withParts(offsetNorms(withParts(llamaNames, qwenExperts)), {
    ffn_gate_inp_shexp: "mlp.shared_expert_gate",
    ffn_gate_shexp: "mlp.shared_expert.gate_proj",
    ffn_up_shexp: "mlp.shared_expert.up_proj",
    ffn_down_shexp: "mlp.shared_expert.down_proj",
    ssm_conv1d: "linear_attn.conv1d",
    ssm_norm: "linear_attn.norm",
    ssm_out: "linear_attn.out_proj",
  }),
  bare: { "ssm_dt.bias": "linear_attn.dt_bias", ssm_a_log: "linear_attn.A_log" },
  gguf: { "ffn_norm.weight": "post_attention_norm.weight" },
};

const size = (most: number) => z.int().min(1).max(most);
const mixerSizes = z.object({
  hidden: size(1 << 16),
  keyHeads: size(1024),
  heads: size(1024),
  keySize: size(1024),
  valueSize: size(1024),
  convWidth: z.int().min(2).max(64),
  epsilon: z.number().positive().max(1),
  byHead: z.boolean(),
  apart: z.boolean(),
  tiled: z.boolean(),
});

/** The storage layout of a mixer's projections. */
type Projections = Pick<GatedDeltaConfig, "byHead" | "apart" | "tiled">;

/** @throws UserError if the value heads do not divide evenly among the key heads */
function readMixer(fields: Fields, { hidden, epsilon }: TransformerConfig, projections: Projections): GatedDeltaConfig {
  const heads = fields.number("ssm.time_step_rank", "linear_num_value_heads");
  const mixer = checkValues(mixerSizes, fields.source, {
    ...{ hidden, epsilon, heads },
    keyHeads: fields.number("ssm.group_count", "linear_num_key_heads"),
    keySize: fields.number("ssm.state_size", "linear_key_head_dim"),
    valueSize: fields.gguf
      ? fields.number("ssm.inner_size", undefined) / heads
      : fields.number(undefined, "linear_value_head_dim"),
    convWidth: fields.number("ssm.conv_kernel", "linear_conv_kernel_dim"),
    ...projections,
  });
  if (mixer.heads % mixer.keyHeads === 0) return mixer;
  throw new UserError(`${fields.source.path}: ${heads} value heads cannot share ${mixer.keyHeads} key heads evenly`);
}

/** Reads the configuration of experts that run beside a shared expert, which has its own gate. */
export function readDeltaExperts(fields: Fields): ExpertsConfig {
  const width = fields.number("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
  checkWidth(fields, fields.gguf ? "expert_shared_feed_forward_length" : "shared_expert_intermediate_size", width);
  return { ...readQwenExperts(fields, true), shared: { width, gated: true } };
}

export function readDelta(fields: Fields, own: Partial<TransformerConfig>, projections: Projections): DeltaConfig {
  fields.only("hidden_act", ["silu"]);
  const beside = fields.number("attention.head_count", "num_attention_heads") * readHeadSize(fields);
  const config = readTransformer(fields, { ...own, headNorm: "head", gatedAttention: true, beside });
  const mixer = readMixer(fields, config, projections);
  const floats = gatedDeltaStateSize(mixer);
  const attends = readLayers(fields, config.layers);
  return { ...config, mixer, recurrent: (layer) => (attends(layer) ? undefined : floats) };
}

/** Returns which layers have attention: listed ones, or layers at regular intervals. */
function readLayers(fields: Fields, layers: number): (layer: number) => boolean {
  if (fields.list("layer_types"))
    return readAttending(fields, layers, { attention: ["full_attention"], recurrent: ["linear_attention"] });
  const interval = fields.number("full_attention_interval", "full_attention_interval", 4);
  return (layer) => (layer + 1) % interval === 0;
}

/** transformers' defaults for values missing from config.json. */
export const deltaDefaults = {
  rms_norm_eps: 1e-6,
  partial_rotary_factor: 0.25,
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_value_head_dim: 128,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
};

/** The mixers in layers without attention. */
export const deltaTraits: Pick<HybridTraits<DeltaConfig>, "shapes" | "mixer"> = {
  shapes: ({ mixer: { keyHeads, heads, keySize, valueSize, convWidth } }) => ({
    huggingface: { "ssm_conv1d.weight": [2 * keyHeads * keySize + heads * valueSize, 1, convWidth] },
    gguf: {},
  }),
  mixer: (weights, { mixer }) => ({
    train: (x) => gatedDeltaRule(weights, mixer, x),
    run: (x, state) => gatedDeltaStep(weights, mixer, x, state),
  }),
};

/**
 * Qwen3-Next (Qwen Team 2025): the gated delta rule in most layers; other layers have attention with a gated result and
 * partly rotated heads. There is a shared expert beside the others.
 */
export const qwen3Next = hybrid<DeltaConfig>("qwen3next", {
  ...deltaTraits,
  scheme: withParts(deltaScheme, { ssm_in: "linear_attn.in_proj_qkvz", ssm_ba: "linear_attn.in_proj_ba" }),
  // Multi-token prediction (MTP) layers.
  unread: /^mtp\./,
  defaults: { ...deltaDefaults, num_experts_per_tok: 10 },
  configure: (fields) =>
    readDelta(fields, { experts: readDeltaExperts(fields) }, { byHead: !fields.gguf, apart: false, tiled: false }),
});
