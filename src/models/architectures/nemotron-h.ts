import { type Mamba2Config, mamba2StateSize } from "../../nn/mamba2.ts";
import { UserError } from "../../util/errors.ts";
import { hybrid } from "../architecture.ts";
import { numbersByLayer, readTransformer } from "../config/config.ts";
import { checkWidth, readExperts, readScoredGates } from "../config/experts-config.ts";
import { Fields } from "../config/fields.ts";
import type { ExpertsConfig, TransformerConfig } from "../decoder/transformer.ts";
import type { Scheme } from "../tensors/names.ts";
import { mamba2Bare, mamba2Mixer, mamba2Shapes, readMamba2, sizesOf } from "./mamba2.ts";

type Kind = "attention" | "mamba" | "mlp" | "moe";

/** A layer of the model: the checkpoint's layer numbers of its mixer and of the feed-forward after it, if any. */
interface Place {
  readonly kind: "attention" | "mamba";
  readonly mixer: number;
  readonly feedForward?: number;
  /** True if the feed-forward is a mixture of experts. */
  readonly mixture?: boolean;
}

interface Config extends TransformerConfig {
  readonly mixer: Mamba2Config;
  readonly places: readonly Place[];
}

const LETTERS: Readonly<Record<string, Kind>> = { "*": "attention", M: "mamba", "-": "mlp", E: "moe" };
const TYPES: Readonly<Record<string, Kind>> = {
  ...{ attention: "attention", full_attention: "attention" },
  ...{ mamba: "mamba", linear_attention: "mamba", mlp: "mlp", moe: "moe" },
};

/** GGUF's name for the architecture with experts, whose feed-forwards are all mixtures. */
const MIXTURE = "nemotron_h_moe";

/** Reads the kind of each layer in the checkpoint. */
function readKinds(fields: Fields): Kind[] {
  const heads = numbersByLayer(fields, "attention.head_count_kv");
  const widths = numbersByLayer(fields, "feed_forward_length");
  if (fields.gguf) {
    if (!heads || !widths)
      throw new UserError(`${fields.source.path}: expected key–value heads and a feed-forward's width for each layer`);
    const feedForward = fields.architecture === MIXTURE ? "moe" : "mlp";
    return heads.map((count, layer) => (count > 0 ? "attention" : widths[layer]! > 0 ? feedForward : "mamba"));
  }
  const pattern = fields.value("hybrid_override_pattern");
  const [key, listed, known] =
    typeof pattern === "string"
      ? (["hybrid_override_pattern", [...pattern], LETTERS] as const)
      : (["layers_block_type", fields.list("layers_block_type") ?? fields.list("layer_types"), TYPES] as const);
  const kinds = listed?.map((type) => known[String(type)]);
  if (kinds?.every((kind) => kind !== undefined) && kinds.length > 0) return kinds;
  return fields.refuse(key, listed, `a list of ${Object.keys(known).join(", ")}`);
}

/** Pairs mixers with the feed-forwards after them. @throws UserError for a feed-forward without a mixer before it */
function placesOf(kinds: readonly Kind[], path: string): Place[] {
  const places: Place[] = [];
  for (const [layer, kind] of kinds.entries()) {
    const last = places.at(-1);
    if (kind === "attention" || kind === "mamba") places.push({ kind, mixer: layer });
    else if (last && last.mixer === layer - 1)
      places[places.length - 1] = { ...last, feedForward: layer, mixture: kind === "moe" };
    else throw new UserError(`${path}: layer ${layer} is a feed-forward, expected attention or a mixer before it`);
  }
  return places;
}

const MIXER_KEYS = {
  num_heads: "mamba_num_heads",
  head_dim: "mamba_head_dim",
  state_size: "ssm_state_size",
  hidden_act: "mamba_hidden_act",
  // The mixer's width is computed from its heads, because this key is the feed-forward's width.
  intermediate_size: "mamba_intermediate_size",
};

const EXPERT_DEFAULTS = {
  n_routed_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 7688,
  moe_shared_expert_intermediate_size: 7688,
};

function configure({ source, architecture: usual }: Fields): Config {
  const architecture = source.kind === "gguf" ? source.metadata.string("general.architecture") : usual;
  const places = placesOf(readKinds(new Fields(source, architecture)), source.path);
  const layers = { num_hidden_layers: places.length };
  const defaults = { head_dim: 128, layer_norm_epsilon: 1e-5 };
  const fields = new Fields(
    source,
    architecture,
    { rms_norm_eps: "layer_norm_epsilon" },
    { rms_norm_eps: 1e-5, ...defaults, ...EXPERT_DEFAULTS, ...layers },
  );
  fields.only("mlp_hidden_act", ["relu2"]);
  const inner = fields.number(undefined, "mamba_num_heads", 128) * fields.number(undefined, "mamba_head_dim", 64);
  const sizes = { num_heads: 128, n_groups: 8, state_size: 128, intermediate_size: inner, ...layers };
  const mixer = sizesOf(readMamba2(new Fields(source, architecture, MIXER_KEYS, sizes)));
  const floats = mamba2StateSize(mixer);
  const config = readTransformer(fields, {
    ...{ layers: places.length, gated: false, activation: "relu-squared" as const },
    ...{ pairs: fields.gguf ? ("interleaved" as const) : ("half" as const), longRopeBeyond: undefined },
    rope: () => undefined,
    hasFeedForward: (layer) => places[layer]!.feedForward !== undefined,
    ...(places.some(({ mixture }) => mixture) && { experts: readMixture(fields, places) }),
  });
  return {
    ...{ ...config, mixer, places },
    recurrent: (layer) => (places[layer]!.kind === "mamba" ? floats : undefined),
  };
}

/** DeepSeek-V3's mixture, but with ungated feed-forwards in the experts and the shared part. */
function readMixture(fields: Fields, places: readonly Place[]): ExpertsConfig {
  const latent = fields.optional("moe_latent_size", "moe_latent_size");
  if (latent !== undefined) fields.refuse("moe_latent_size", latent, "none: latent experts are not supported");
  const experts = readExperts(fields, {
    ...{ count: "n_routed_experts", width: "moe_intermediate_size", gates: readScoredGates(fields, true) },
    has: (layer) => places[layer]!.mixture === true,
  });
  const [gguf, key] = ["expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"];
  const width = fields.number(gguf, key);
  checkWidth(fields, fields.gguf ? gguf! : key!, width);
  return { ...experts, shared: { width, gated: false } };
}

const scheme: Scheme = {
  prefixes: ["backbone.", "model."],
  layers: "layers",
  parts: {
    attn_norm: "norm",
    attn_q: "mixer.q_proj",
    attn_k: "mixer.k_proj",
    attn_v: "mixer.v_proj",
    attn_output: "mixer.o_proj",
    ssm_in: "mixer.in_proj",
    ssm_conv1d: "mixer.conv1d",
    ssm_norm: "mixer.norm",
    ssm_out: "mixer.out_proj",
    ffn_norm: "norm",
    ffn_up: "mixer.up_proj",
    ffn_down: "mixer.down_proj",
    ffn_gate_inp: "mixer.gate",
    ffn_up_exps: "mixer.experts.{expert}.up_proj",
    ffn_down_exps: "mixer.experts.{expert}.down_proj",
    ffn_up_shexp: "mixer.shared_experts.up_proj",
    ffn_down_shexp: "mixer.shared_experts.down_proj",
  },
  bare: {
    ...Object.fromEntries(Object.entries(mamba2Bare).map(([part, name]) => [part, `mixer.${name}`])),
    "exp_probs_b.bias": "mixer.gate.e_score_correction_bias",
  },
  top: { token_embd: "embeddings", output_norm: "norm_f", output: "/lm_head" },
  gguf: { "ffn_norm.weight": "attn_norm.weight" },
};

/**
 * Nemotron-H (NVIDIA 2025): Mamba-2 in most layers, attention without positions in a few, and feed-forwards with
 * squared ReLU, dense or with experts. In its checkpoints, a feed-forward is a separate layer; in this model, it
 * belongs to the layer before it.
 */
export const nemotronH = hybrid<Config>("nemotron_h", {
  scheme,
  // Multi-token prediction (MTP) layers.
  unread: /^mtp\./,
  configure,
  place: ({ places }) => {
    const numberOf = (layer: number, part: string) => {
      const { mixer, feedForward = mixer } = places[layer]!;
      return /^(ffn|exp)_/.test(part) ? feedForward : mixer;
    };
    return (canonical) =>
      canonical.replace(/^blk\.(\d+)\.(.+)$/, (_, layer, part) => `blk.${numberOf(Number(layer), part)}.${part}`);
  },
  shapes: ({ mixer }) => mamba2Shapes(mixer),
  mixer: (weights, { mixer }) => mamba2Mixer(weights, mixer),
});
