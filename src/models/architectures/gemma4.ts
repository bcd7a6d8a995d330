import type { RopeConfig } from "../../nn/rope.ts";
import { UserError } from "../../util/errors.ts";
import { decoder } from "../architecture.ts";
import { checkConfig, checkValues, numbersByLayer, readTransformer, sizes } from "../config/config.ts";
import { readExperts } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import { numberOf, type Parameters } from "../config/longrope.ts";
import { checkHeads, readLocalRope, readRope } from "../config/rope.ts";
import { slidingPattern, slidingWindow } from "../config/window.ts";
import type { LayerHeads } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, type Scheme, withParts } from "../tensors/names.ts";

const scheme: Scheme = {
  ...withParts(llamaNames, {
    inp_gate: "per_layer_input_gate",
    proj: "per_layer_projection",
    post_norm: "post_per_layer_input_norm",
    post_attention_norm: "post_attention_layernorm",
    ffn_norm: "pre_feedforward_layernorm",
    post_ffw_norm: "post_feedforward_layernorm",
    post_ffw_norm_1: "post_feedforward_layernorm_1",
    pre_ffw_norm_2: "pre_feedforward_layernorm_2",
    post_ffw_norm_2: "post_feedforward_layernorm_2",
    ffn_gate_inp: "router.proj",
    ffn_gate_exps: { name: "experts.gate_up_proj", part: [0, 2] },
    ffn_up_exps: { name: "experts.gate_up_proj", part: [1, 2] },
    ffn_down_exps: { name: "experts.down_proj", part: [0, 1] },
  }),
  top: {
    ...llamaNames.top,
    per_layer_token_embd: "embed_tokens_per_layer",
    per_layer_model_proj: "per_layer_model_projection",
    per_layer_proj_norm: "per_layer_projection_norm",
  },
  bare: {
    "layer_output_scale.weight": "layer_scalar",
    "ffn_gate_inp.scale": "router.scale",
    "ffn_down_exps.scale": "router.per_expert_scale",
  },
};

type KvHeads = Pick<LayerHeads, "kvHeads" | "headSize">;

/** E2B and E4B: the width of each layer's own input. */
function readLayerInput(fields: Fields): number | undefined {
  const width = fields.number("embedding_length_per_layer_input", "hidden_size_per_layer_input", 0);
  if (width === 0) return undefined;
  if (!fields.gguf) {
    const tokens = fields.number(undefined, "vocab_size");
    const rows = fields.number(undefined, "vocab_size_per_layer_input", tokens);
    if (rows !== tokens) fields.refuse("vocab_size_per_layer_input", rows, `${tokens}, the value of vocab_size`);
  }
  return checkValues(sizes.pick({ hidden: true }), fields.source, { hidden: width }).hidden;
}

/** E2B and E4B: the last layers attend to the keys of the last earlier layer of the same kind. */
function readSharing(fields: Fields, layers: number, slides: (layer: number) => boolean): TransformerConfig["keysOf"] {
  const count = fields.number("attention.shared_kv_layers", "num_kv_shared_layers", 0);
  if (count === 0) return undefined;
  const first = layers - count;
  const owners = Array.from({ length: Math.max(0, first) }, (_, layer) => layer);
  const owner = (layer: number) => owners.findLast((l) => slides(l) === slides(layer));
  const sharing = Array.from({ length: layers }, (_, layer) => layer).filter((layer) => !(layer < first));
  if (!Number.isInteger(count) || count < 0 || sharing.some((layer) => owner(layer) === undefined))
    fields.refuse(
      fields.gguf ? "attention.shared_kv_layers" : "num_kv_shared_layers",
      count,
      "a number of trailing layers that leaves an earlier layer of each kind",
    );
  return (layer) => (layer < first ? undefined : owner(layer));
}

/** The width of a layer's feed-forward: in E2B, layers that share keys have twice the width. */
function readFfn(fields: Fields, shares: (layer: number) => boolean): (layer: number) => number {
  const each = numbersByLayer(fields, "feed_forward_length");
  if (each) return (layer) => each[layer] ?? 0;
  const width = fields.number("feed_forward_length", "intermediate_size");
  const isWider = fields.flag("use_double_wide_mlp");
  return (layer) => (isWider && shares(layer) ? 2 * width : width);
}

/** A layer's key–value heads: transformers configures them per layer, published files per kind of layer. */
function readHeads(fields: Fields, layer: number, slides: boolean): KvHeads {
  if (fields.gguf)
    return {
      kvHeads:
        numbersByLayer(fields, "attention.head_count_kv")?.[layer] ??
        fields.number("attention.head_count_kv", undefined),
      headSize: fields.number(slides ? "attention.key_length_swa" : "attention.key_length", undefined),
    };
  const local = {
    kvHeads: fields.number(undefined, "num_key_value_heads"),
    headSize: fields.number(undefined, "head_dim"),
  };
  const byLayer = fields.object("per_layer_config");
  if (byLayer) {
    const own = (byLayer[layer] ?? {}) as Parameters;
    const read = (key: string, usual: number) => numberOf(fields, own, key, usual);
    return { kvHeads: read("num_key_value_heads", local.kvHeads), headSize: read("head_dim", local.headSize) };
  }
  if (slides) return local;
  const isFewer = fields.flag("attention_k_eq_v");
  return {
    kvHeads: isFewer ? fields.number(undefined, "num_global_key_value_heads", local.kvHeads) : local.kvHeads,
    headSize: fields.number(undefined, "global_head_dim"),
  };
}

/** @throws UserError for heads that the kernels do not support: if layers differ, heads are not padded */
function checkedHeads({ source }: Fields, own: KvHeads): KvHeads {
  const checked = checkValues(sizes.pick({ kvHeads: true, headSize: true }), source, own);
  checkHeads(source.path, checked.headSize, checked.headSize, false);
  return checked;
}

/** The mixture of experts in 26B-A4B, beside each feed-forward. */
function readMixture(fields: Fields): TransformerConfig["experts"] {
  const has = fields.gguf ? fields.number("expert_count", undefined, 0) > 0 : fields.flag("enable_moe_block");
  if (!has) return undefined;
  return {
    ...readExperts(fields, { count: "num_experts", width: "moe_intermediate_size", gates: "chosen" }),
    beside: true,
  };
}

/** A layer's rotary embedding. */
function readLayerRope(fields: Fields, headSize: number, slides: boolean): RopeConfig {
  const context = fields.number("context_length", "max_position_embeddings");
  if (!slides) return readRope(fields, headSize, context, "full_attention", false, headSize);
  const local = readLocalRope(fields, headSize, context);
  // A GGUF's tensor of divisors applies only to layers without a window.
  const own = { type: "factors", factors: new Array<number>(headSize / 2).fill(1), magnitude: 1 } as const;
  return fields.gguf ? { ...local, scaling: own } : local;
}

function configure(whole: Fields, has: (tensor: string) => boolean): TransformerConfig {
  const fields = whole.part("text_config");
  if (!fields.gguf && !fields.object("rope_parameters"))
    fields.refuse("rope_parameters", undefined, "fields for each kind of layer");
  fields.only("hidden_activation", ["gelu_pytorch_tanh"]);
  fields.only("use_bidirectional_attention", ["vision"]);
  const { layers } = checkValues(sizes.pick({ layers: true }), fields.source, {
    layers: fields.number("block_count", "num_hidden_layers"),
  });
  const listed = slidingWindow(fields, slidingPattern(fields, 6));
  // The last layer always has full attention, even if the list differs.
  const window = (layer: number) => (layer === layers - 1 ? undefined : listed(layer));
  const slides = (layer: number) => window(layer) !== undefined;
  const heads = Array.from({ length: layers }, (_, layer) =>
    checkedHeads(fields, readHeads(fields, layer, slides(layer))),
  );
  const keysOf = readSharing(fields, layers, slides);
  const ownFfn = readFfn(fields, (layer) => keysOf?.(layer) !== undefined);
  const ropes = heads.map(({ headSize }, layer) => readLayerRope(fields, headSize, slides(layer)));
  const config = readTransformer(fields, {
    ...{ norms: "around", activation: "gelu-tanh", headNorm: "head", valueNorm: true, scaledOutputs: true },
    ...{ window, experts: readMixture(fields), ...heads[0], attentionScale: () => 1 },
    ...{ layerInput: readLayerInput(fields), ffn: ownFfn(0), ownFfn, ...(keysOf && { keysOf }) },
    rope: (layer) => ropes[layer],
    logitSoftcap: fields.optional("final_logit_softcapping", "final_logit_softcapping"),
  });
  for (const [layer, own] of heads.entries()) {
    checkConfig(sizes, fields.source, { ...config, ...own, ffn: ownFfn(layer) });
    const shared = heads[keysOf?.(layer) ?? layer]!;
    if (shared.kvHeads !== own.kvHeads || shared.headSize !== own.headSize)
      throw new UserError(
        `${fields.source.path}: layer ${layer} has ${own.kvHeads} key-value heads of size ${own.headSize}, but the layer whose keys it uses has ${shared.kvHeads} of size ${shared.headSize}`,
      );
  }
  const isShort = (layer: number) =>
    fields.gguf ? !has(`blk.${layer}.attn_v.weight`) : fields.flag("attention_k_eq_v");
  return {
    ...config,
    ownHeads: (layer) => heads[layer]!,
    keysAsValues: (layer) => !slides(layer) && isShort(layer),
    embeddingScale: Math.sqrt(config.hidden),
  };
}

/**
 * Gemma 4, text (Gemma Team 2026): layers with a window, and others with fewer and wider heads, whose values may equal
 * their keys; each layer's output is scaled. 26B has experts beside each feed-forward. In E2B and E4B, layers have
 * their own inputs, and the last layers attend to the keys of earlier layers.
 */
export const gemma4 = decoder("gemma4", {
  scheme,
  unread: /^(model\.)?(vision_tower|embed_vision|audio_tower|embed_audio)\./,
  keys: { num_experts_per_tok: "top_k_experts" },
  defaults: {
    ...{ vocab_size: 262144, hidden_size: 2304, intermediate_size: 9216, num_hidden_layers: 30 },
    ...{ num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, global_head_dim: 512 },
    ...{ max_position_embeddings: 131072, rms_norm_eps: 1e-6, sliding_window: 512 },
    ...{ hidden_size_per_layer_input: 256, num_kv_shared_layers: 0 },
  },
  configure,
});
