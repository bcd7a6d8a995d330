import { z } from "zod";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { checkConfig, readVocabulary, sizes } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { Seq2Seq, type Seq2SeqArchitecture, type Seq2SeqConfig } from "../seq2seq/seq2seq.ts";
import { modulesOf, namesOf, type Scheme } from "../tensors/names.ts";

const attention = (name: string, layer: string) => ({
  [`${name}_q`]: `${layer}.q`,
  [`${name}_k`]: `${layer}.k`,
  [`${name}_v`]: `${layer}.v`,
  [`${name}_output`]: `${layer}.o`,
});

/** Tensor names in one stack; its feed-forward is sublayer number `feed`. */
const stack = (name: string, feed: number, gated: boolean): Scheme => ({
  prefixes: [""],
  layers: `${name}.block`,
  parts: {
    ...attention("attn", "layer.0.SelfAttention"),
    ...attention("cross_attn", "layer.1.EncDecAttention"),
    attn_norm: "layer.0.layer_norm",
    attn_rel_b: "layer.0.SelfAttention.relative_attention_bias",
    cross_attn_norm: "layer.1.layer_norm",
    ffn_norm: `layer.${feed}.layer_norm`,
    ffn_gate: `layer.${feed}.DenseReluDense.wi_0`,
    ffn_up: `layer.${feed}.DenseReluDense.${gated ? "wi_1" : "wi"}`,
    ffn_down: `layer.${feed}.DenseReluDense.wo`,
  },
  top: { token_embd: "shared", output_norm: `${name}.final_layer_norm`, output: "lm_head" },
});

/** Tensor names in each stack: `enc.blk.0.attn_q.weight`. A GGUF uses these names, except for `attn_o`. */
export function namesFor(checkpoint: Checkpoint, { gated }: Pick<Seq2SeqConfig, "gated">): Names {
  if (checkpoint.config.kind === "gguf") return (canonical) => canonical.replace("attn_output.", "attn_o.");
  const encoder = namesOf(checkpoint, stack("encoder", 1, gated));
  const decoder = namesOf(checkpoint, stack("decoder", 2, gated));
  return (canonical) => (canonical.startsWith("enc.") ? encoder : decoder)(canonical.replace(/^(enc|dec)\./, ""));
}

/** The token table is omitted, because PEFT's update of it affects neither stack. */
export const modulesFor =
  ({ gated }: Pick<Seq2SeqConfig, "gated">) =>
  (canonical: string): string[] => {
    if (canonical === "token_embd") return [];
    const [, which, rest] = /^(?:(enc|dec)\.)?(.+)$/.exec(canonical)!;
    return modulesOf(rest!, which === "enc" ? stack("encoder", 1, gated) : stack("decoder", 2, gated));
  };

const even = z.int().multipleOf(2);
const schema = sizes.extend({
  // The cached attention kernel needs a multiple of 8.
  headSize: sizes.shape.headSize.multipleOf(8),
  encoderLayers: sizes.shape.layers,
  buckets: even.min(4).max(4096),
  reach: z.int().min(2).max(65536),
  start: z.int().min(0),
});

type Form = Pick<Seq2SeqConfig, "activation" | "gated">;

/** True if a checkpoint holds a tensor. Only the tensors of a GGUF reveal its form and its head. */
type Has = (tensor: string) => boolean;

/** Reads `feed_forward_proj`. "gated-gelu" always means the tanh approximation, despite its name. */
function readForm(fields: Fields, has: Has): Form {
  const form = fields.gguf ? formOf(has) : (fields.value("feed_forward_proj") ?? "relu");
  if (form === "relu") return { activation: "relu", gated: false };
  if (form === "gated-gelu") return { activation: "gelu-tanh", gated: true };
  return fields.refuse("feed_forward_proj", form, '"relu" or "gated-gelu"; nothing else is supported');
}

const formOf = (has: Has) => (has("enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu");

function readSizes(fields: Fields) {
  const key = (gguf: string | undefined, name: string, fallback?: number) => fields.number(gguf, name, fallback);
  const heads = key("attention.head_count", "num_heads");
  const encoderLayers = key("block_count", "num_layers");
  return checkConfig(schema, fields.source, {
    ...{ heads, kvHeads: heads, headSize: key("attention.key_length", "d_kv") },
    ...{ hidden: key("embedding_length", "d_model"), ffn: key("feed_forward_length", "d_ff") },
    ...{ encoderLayers, layers: key("decoder_block_count", "num_decoder_layers", encoderLayers) },
    ...{ vocabulary: readVocabulary(fields), context: key("context_length", "n_positions", 512) },
    epsilon: key("attention.layer_norm_rms_epsilon", "layer_norm_epsilon", 1e-6),
    buckets: key("attention.relative_buckets_count", "relative_attention_num_buckets", 32),
    // A GGUF does not store this value, which is 128 in every T5 and in llama.cpp.
    reach: key(undefined, "relative_attention_max_distance", 128),
    start: key("decoder_start_token_id", "decoder_start_token_id", 0),
  });
}

/** `name`: the architecture's name, which begins a GGUF's keys. */
export function configureT5(config: Fields["source"], has: Has = () => false, name = "t5"): Seq2SeqConfig {
  const fields = new Fields(config, name);
  const checked = readSizes(fields);
  // Half of the decoder's buckets hold one distance each; the other buckets divide the distances up to `reach`.
  if (checked.reach <= checked.buckets / 2)
    fields.refuse("relative_attention_max_distance", checked.reach, `more than half of its ${checked.buckets} buckets`);
  if (checked.start >= checked.vocabulary)
    fields.refuse("decoder_start_token_id", checked.start, `a token below ${checked.vocabulary}`);
  // A tied head reads scaled hidden states; transformers 5 has a separate key for the scaling.
  const tied = fields.gguf ? !has("output.weight") : fields.flag("tie_word_embeddings", true);
  const scaled = fields.flag("scale_decoder_outputs", tied);
  return { ...checked, ...readForm(fields, has), logitScale: scaled ? checked.hidden ** -0.5 : 1 };
}

/** A table in T5 1.0's checkpoints that no layer uses, because cross-attention has no relative positions. */
const UNUSED = [
  "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
  "dec.blk.0.cross_attn_rel_b.weight",
];

const configOf = ({ config, tensors }: Checkpoint): Seq2SeqConfig =>
  configureT5(config, (tensor) => tensors.has(tensor));

/** T5 (Raffel et al. 2020), T5 1.1 and Flan-T5. */
export const t5: Seq2SeqArchitecture = {
  configure: (config, has) => configureT5(config, has),
  unread: ({ tensors }) => UNUSED.filter((name) => tensors.has(name)),
  tensors: (checkpoint) => namesFor(checkpoint, configOf(checkpoint)),
  modules: (checkpoint) => modulesFor(configOf(checkpoint)),
  open(weights) {
    const config = configureT5(weights.config, (tensor) => weights.has(tensor));
    return new Seq2Seq(config, weights);
  },
};
