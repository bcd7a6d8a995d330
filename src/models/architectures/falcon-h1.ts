import { type Mamba2Config, mamba2StateSize, type ProjectionFactors } from "../../nn/mamba2.ts";
import { hybrid } from "../architecture.ts";
import { readHeadSize, readTransformer } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import type { Architecture } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, withParts } from "../tensors/names.ts";
import { bambaKeys, mamba2Bare, mamba2Mixer, mamba2Shapes, readMamba2, sizesOf } from "./mamba2.ts";

interface Config extends TransformerConfig {
  readonly mixer: Mamba2Config;
}

const MIXER_KEYS = { ...bambaKeys, intermediate_size: "mamba_d_ssm" };
const MIXER_DEFAULTS = { num_heads: 128, n_groups: 1, state_size: 256, conv_kernel: 4, layer_norm_epsilon: 1e-5 };

const scheme = {
  ...withParts(llamaNames, {
    ssm_in: "mamba.in_proj",
    ssm_conv1d: "mamba.conv1d",
    ssm_norm: "mamba.norm",
    ssm_out: "mamba.out_proj",
    ffn_norm: "pre_ff_layernorm",
    ffn_gate: "feed_forward.gate_proj",
    ffn_up: "feed_forward.up_proj",
    ffn_down: "feed_forward.down_proj",
  }),
  bare: Object.fromEntries(Object.entries(mamba2Bare).map(([part, name]) => [part, `mamba.${name}`])),
  top: { ...llamaNames.top, output_norm: "final_layernorm" },
  gguf: { "ffn_norm.weight": "ffn_norm" },
};

function configure(fields: Fields, has: (tensor: string) => boolean): Config {
  fields.only("hidden_act", ["silu"]);
  fields.only("projectors_bias", [false]);
  const sizes = sizesOf(readMamba2(new Fields(fields.source, fields.architecture, MIXER_KEYS, MIXER_DEFAULTS)));
  const mixer = { ...sizes, norm: readNorm(fields, has), factors: readProjectionFactors(fields) };
  const floats = mamba2StateSize(mixer);
  const config = readTransformer(fields, readScales(fields));
  return { ...config, mixer, beside: config.hidden, recurrent: () => floats };
}

/** The position of the mixer's norm; in a GGUF, a norm is always after the gate. */
function readNorm(fields: Fields, has: (tensor: string) => boolean): NonNullable<Mamba2Config["norm"]> {
  if (fields.gguf) return has("blk.0.ssm_norm.weight") ? "behind" : "none";
  if (!fields.flag("mamba_rms_norm")) return "none";
  return fields.flag("mamba_norm_before_gate", true) ? "before" : "behind";
}

/** A multiplier; a GGUF's weights already include it. */
const factor = (fields: Fields, key: string): number => fields.number(undefined, key, 1);

/** A list of multipliers; the default is 1 for each. */
function factors(fields: Fields, key: string, count: number): number[] {
  const listed = fields.list(key) ?? new Array<number>(count).fill(1);
  const isNumber = (value: unknown): value is number => typeof value === "number";
  if (listed.length === count && listed.every(isNumber)) return [...listed];
  return fields.refuse(key, listed, `${count} numbers`);
}

function readProjectionFactors(fields: Fields): ProjectionFactors | undefined {
  const input = factor(fields, "ssm_in_multiplier");
  const [gate, x, b, c, steps] = factors(fields, "ssm_multipliers", 5).map((own) => input * own);
  const all = [gate!, x!, b!, c!, steps!] as const;
  return all.every((own) => own === 1) ? undefined : all;
}

function readScales(fields: Fields): Partial<TransformerConfig> {
  const attentionScale = factor(fields, "key_multiplier") / Math.sqrt(readHeadSize(fields));
  const [gate, down] = factors(fields, "mlp_multipliers", 2) as [number, number];
  return {
    attentionScale: () => attentionScale,
    embeddingScale: factor(fields, "embedding_multiplier"),
    logitScale: factor(fields, "lm_head_multiplier"),
    ...(gate !== 1 && { activation: { factor: gate } }),
    feedForwardScale: down,
    sides: {
      attentionIn: factor(fields, "attention_in_multiplier"),
      attentionOut: factor(fields, "attention_out_multiplier"),
      mixerOut: factor(fields, "ssm_out_multiplier"),
    },
  };
}

const architecture = hybrid<Config>("falcon-h1", {
  scheme,
  defaults: { rms_norm_eps: 1e-5 },
  configure,
  shapes: ({ mixer }) => mamba2Shapes(mixer),
  mixer: (weights, { mixer }) => mamba2Mixer(weights, mixer),
});

/**
 * Falcon-H1 (Technology Innovation Institute 2025): attention and a Mamba-2 mixer in parallel in every layer, after one
 * norm; most parts are multiplied by a constant.
 */
export const falconH1: Architecture = {
  ...architecture,
  // A GGUF's weights include the multipliers, so adapters of other checkpoints do not fit.
  modules: (canonical, source) => (source.kind === "gguf" ? [] : architecture.modules(canonical, source)),
};
