import type { MixerWeights } from "../../nn/mixer-weights.ts";
import { type ShortConvConfig, shortConv, shortConvStateSize, shortConvStep } from "../../nn/short-conv.ts";
import { hybrid } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { readAttending } from "../config/hybrid-config.ts";
import type { Mixer } from "../decoder/mixer-layer.ts";
import type { StoredShapes } from "../decoder/recurrent.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import type { Scheme } from "../tensors/names.ts";

export interface Lfm2Config extends TransformerConfig {
  readonly mixer: ShortConvConfig;
}

export const lfm2Keys = { rms_norm_eps: "norm_eps" };
const DEFAULTS = { rms_norm_eps: 1e-5, rope_theta: 1e6 };

export const lfm2Scheme: Scheme = {
  prefixes: ["model.", ""],
  layers: "layers",
  parts: {
    attn_norm: "operator_norm",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.out_proj",
    attn_q_norm: "self_attn.q_layernorm",
    attn_k_norm: "self_attn.k_layernorm",
    "shortconv.in_proj": "conv.in_proj",
    "shortconv.conv": "conv.conv",
    "shortconv.out_proj": "conv.out_proj",
    ffn_norm: "ffn_norm",
    ffn_gate: "feed_forward.w1",
    ffn_up: "feed_forward.w3",
    ffn_down: "feed_forward.w2",
  },
  top: { token_embd: "embed_tokens", output_norm: "embedding_norm", output: "/lm_head" },
  gguf: { "output_norm.weight": "token_embd_norm.weight" },
};

function configure(stored: Fields): Lfm2Config {
  const { source, architecture } = stored;
  const older = stored.has(undefined, "block_ff_dim");
  const keys = older ? { ...lfm2Keys, intermediate_size: "block_ff_dim" } : lfm2Keys;
  const fields = new Fields(source, architecture, keys, DEFAULTS);
  return readLfm2(fields, fields.gguf ? {} : { ffn: readWidth(fields) });
}

/** Reads the configuration of LFM2 or of its mixture; `own`: values that apply to only one of the two. */
export function readLfm2(fields: Fields, own: Partial<TransformerConfig>): Lfm2Config {
  fields.only("conv_bias", [false]);
  const config = readTransformer(fields, { headNorm: "head", ...own });
  const attends = readAttending(fields, config.layers, { attention: ["full_attention"], recurrent: ["conv"] });
  const mixer = { hidden: config.hidden, convWidth: readConvWidth(fields) };
  const floats = shortConvStateSize(mixer);
  return { ...config, mixer, recurrent: (layer) => (attends(layer) ? undefined : floats) };
}

function readConvWidth(fields: Fields): number {
  const width = fields.number("shortconv.l_cache", "conv_L_cache", 3);
  if (Number.isInteger(width) && width >= 2 && width <= 64) return width;
  return fields.refuse(fields.gguf ? "shortconv.l_cache" : "conv_L_cache", width, "a whole number from 2 to 64");
}

/**
 * The width of the feed-forward: two thirds of the configured value, times a factor, rounded up; or the value itself,
 * if the configuration says so.
 */
function readWidth(fields: Fields): number {
  const whole = fields.number(undefined, "intermediate_size");
  if (!fields.flag("block_auto_adjust_ff_dim", true)) return whole;
  const multiple = fields.number(undefined, "block_multiple_of", 256);
  const factor = fields.number(undefined, "block_ffn_dim_multiplier", 1);
  return multiple * Math.ceil(Math.floor(factor * Math.floor((2 * whole) / 3)) / multiple);
}

/** Traits of both LFM2 and its mixture. */
export const lfm2Traits = {
  shapes: ({ mixer: { hidden, convWidth } }: Lfm2Config): StoredShapes => ({
    huggingface: { "shortconv.conv.weight": [hidden, 1, convWidth] },
    gguf: {},
  }),
  mixer: (weights: MixerWeights, { mixer }: Lfm2Config): Mixer => ({
    train: (x) => shortConv(weights, mixer, x),
    run: (x, state) => shortConvStep(weights, mixer, x, state),
  }),
};

/** LFM2 (Liquid AI 2025): attention in some layers, and a short convolution between two gates in the others. */
export const lfm2 = hybrid<Lfm2Config>("lfm2", { ...lfm2Traits, scheme: lfm2Scheme, configure });
