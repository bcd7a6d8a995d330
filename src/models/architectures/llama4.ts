import { decoder, type TransformerArchitecture } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { readExperts } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import type { ExpertsConfig, TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, namesOf, type Scheme, type StoredAs, withParts } from "../tensors/names.ts";

/** Stacks of matrices as [inputs, outputs], with gate and up projections adjacent. */
const stacked = { transposed: true, part: [0, 1] } as const;
const half = (at: number): StoredAs => ({
  ...{ ...stacked, name: "feed_forward.experts.gate_up_proj" },
  every: { at, of: 2, side: "blocks of columns" },
});

const scheme: Scheme = withParts(llamaNames, {
  ffn_gate: "feed_forward.gate_proj",
  ffn_up: "feed_forward.up_proj",
  ffn_down: "feed_forward.down_proj",
  ffn_gate_inp: "feed_forward.router",
  ffn_gate_exps: half(0),
  ffn_up_exps: half(1),
  ffn_down_exps: { ...stacked, name: "feed_forward.experts.down_proj" },
  ffn_gate_shexp: "feed_forward.shared_expert.gate_proj",
  ffn_up_shexp: "feed_forward.shared_expert.up_proj",
  ffn_down_shexp: "feed_forward.shared_expert.down_proj",
});

/** The name of the head in a model with images. */
const HEAD = "language_model.lm_head";
const withImages: Scheme = { ...scheme, top: { ...scheme.top, output: `/${HEAD}` } };

/** llama.cpp's values, which a GGUF does not store. */
const USUAL = { chunk: 8192, floor: 8192, scale: 0.1, every: 4 };

/** The maximum number of positions; larger tables would take too much memory. */
const CONTEXT = 1 << 18;

/** True for layers with rotary embedding. */
function rotatingLayers(fields: Fields): (layer: number) => boolean {
  const listed = fields.list("no_rope_layers");
  const every = fields.number(undefined, "no_rope_layer_interval", USUAL.every);
  if (listed && listed.length > 0) return (layer) => listed[layer] !== 0;
  return (layer) => (layer + 1) % every !== 0;
}

/** The chunk length of a layer with chunked attention. */
function readChunks(fields: Fields, rotates: (layer: number) => boolean): (layer: number) => number | undefined {
  const { source } = fields;
  // A GGUF implies llama.cpp's chunk length, unless its window is 0.
  const none =
    source.kind === "gguf"
      ? fields.number("attention.sliding_window", undefined, 1) === 0
      : source.config["attention_chunk_size"] === null;
  if (none) return () => undefined;
  const chunk = fields.number(undefined, "attention_chunk_size", USUAL.chunk);
  if (!Number.isInteger(chunk) || chunk < 1) fields.refuse("attention_chunk_size", chunk, "a whole number above 0");
  const types = fields.list("layer_types");
  return (layer) => ((types ? types[layer] === "chunked_attention" : rotates(layer)) ? chunk : undefined);
}

function readTemperature(fields: Fields): TransformerConfig["temperature"] {
  if (!fields.gguf && !fields.flag("attn_temperature_tuning", true)) return undefined;
  const floor = fields.number(undefined, "floor_scale", USUAL.floor);
  if (!(floor > 0)) fields.refuse("floor_scale", floor, "a number above 0");
  return { floor, scale: fields.number(undefined, "attn_scale", USUAL.scale) };
}

/** Reads which layers have a mixture of experts, and the settings of its routed and shared experts. */
function readMixture(fields: Fields): ExpertsConfig {
  const step = fields.number("interleave_moe_layer_step", "interleave_moe_layer_step", 1);
  const listed = fields.list("moe_layers");
  const gates = { score: "sigmoid", biased: false, factor: 1 } as const;
  const has = (layer: number) => listed?.includes(layer) ?? (layer + 1) % step === 0;
  const experts = readExperts(fields, { count: "num_local_experts", width: "intermediate_size", gates, has });
  return { ...experts, gatedInputs: true, shared: { width: experts.width, gated: false } };
}

function configure(whole: Fields): TransformerConfig {
  const fields = whole.part("text_config");
  fields.only("hidden_act", ["silu"]);
  const experts = readMixture(fields);
  const rotates = rotatingLayers(fields);
  const chunk = readChunks(fields, rotates);
  const normalised = fields.gguf ? experts.count !== 128 : fields.flag("use_qk_norm", true);
  const base = readTransformer(fields, {
    ...{ experts, chunk, window: chunk, pairs: "interleaved", pairsAsPublished: true },
    ffn: fields.number("feed_forward_length", "intermediate_size_mlp"),
    context: Math.min(CONTEXT, fields.number("context_length", "max_position_embeddings")),
    ...(normalised && { headNorm: "plain" }),
    temperature: readTemperature(fields),
  });
  return { ...base, rope: (layer) => (rotates(layer) ? base.rope(layer) : undefined) };
}

const base = decoder("llama4", {
  scheme,
  unread: /^(vision_model|multi_modal_projector)\./,
  defaults: {
    ...{ rms_norm_eps: 1e-5, rope_theta: 500000, head_dim: 128, num_local_experts: 16, num_experts_per_tok: 1 },
    ...{ intermediate_size: 8192, intermediate_size_mlp: 16384, vocab_size: 202048 },
  },
  configure,
});

/**
 * Llama 4, text (Meta 2025): layers with chunked attention; every fourth layer has full attention without rotary
 * embedding, and queries scaled by position. Gates multiply the experts' inputs; one expert is shared.
 */
export const llama4: TransformerArchitecture = {
  ...base,
  tensors: (checkpoint) => namesOf(checkpoint, checkpoint.tensors.has(`${HEAD}.weight`) ? withImages : scheme),
};
