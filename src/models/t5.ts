import { z } from "zod";
import { UserError } from "../util/errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { Names } from "../weights/prepared/names.ts";
import { type Quant, Weights } from "../weights/prepared/weights.ts";
import { checkConfig, sizes } from "./config.ts";
import { Fields } from "./fields.ts";
import { namesOf, type Scheme } from "./names.ts";
import { Seq2Seq, type Seq2SeqConfig } from "./seq2seq.ts";

const attention = (name: string, layer: string) => ({
  [`${name}_q`]: `${layer}.q`,
  [`${name}_k`]: `${layer}.k`,
  [`${name}_v`]: `${layer}.v`,
  [`${name}_output`]: `${layer}.o`,
});

/** Names of one stack, whose feed-forward is the sublayer `feed`. */
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

/** Each stack has names of its own: `enc.blk.0.attn_q.weight`. */
function namesFor(checkpoint: Checkpoint, { gated }: Seq2SeqConfig): Names {
  const encoder = namesOf(checkpoint, stack("encoder", 1, gated));
  const decoder = namesOf(checkpoint, stack("decoder", 2, gated));
  return (canonical) => (canonical.startsWith("enc.") ? encoder : decoder)(canonical.replace(/^(enc|dec)\./, ""));
}

const even = z.int().multipleOf(2);
const schema = sizes.extend({
  // Of which the kernel of cached attention takes multiples.
  headSize: sizes.shape.headSize.multipleOf(8),
  encoderLayers: sizes.shape.layers,
  buckets: even.min(4).max(4096),
  reach: z.int().min(2).max(65536),
  start: z.int().min(0),
});

type Form = Pick<Seq2SeqConfig, "activation" | "gated">;

/** What `feed_forward_proj` says of feed-forwards. Gated GELU is its approximation, whatever the name. */
function readForm(fields: Fields): Form {
  const form = fields.value("feed_forward_proj") ?? "relu";
  if (form === "relu") return { activation: "relu", gated: false };
  if (form === "gated-gelu") return { activation: "gelu-tanh", gated: true };
  return fields.refuse("feed_forward_proj", form, '"relu" or "gated-gelu"; nothing else is supported');
}

function readSizes(fields: Fields) {
  const key = (name: string, fallback?: number) => fields.number(undefined, name, fallback);
  const heads = key("num_heads");
  return checkConfig(schema, fields.source, {
    ...{ heads, kvHeads: heads, headSize: key("d_kv"), hidden: key("d_model"), ffn: key("d_ff") },
    ...{ encoderLayers: key("num_layers"), layers: key("num_decoder_layers", key("num_layers")) },
    ...{ vocabulary: key("vocab_size"), context: key("n_positions", 512), epsilon: key("layer_norm_epsilon", 1e-6) },
    ...{ buckets: key("relative_attention_num_buckets", 32), reach: key("relative_attention_max_distance", 128) },
    start: key("decoder_start_token_id", 0),
  });
}

function configure(config: Fields["source"]): Seq2SeqConfig {
  if (config.kind === "gguf")
    throw new UserError(
      `${config.path}: T5 in a GGUF is not supported, expected a folder of config.json and safetensors`,
    );
  const fields = new Fields(config, "t5");
  const checked = readSizes(fields);
  if (checked.start >= checked.vocabulary)
    fields.refuse("decoder_start_token_id", checked.start, `a token below ${checked.vocabulary}`);
  // A tied head takes hidden states scaled down; transformers 5 has a key of its own for that.
  const scaled = fields.flag("scale_decoder_outputs", fields.flag("tie_word_embeddings", true));
  return { ...checked, ...readForm(fields), logitScale: scaled ? checked.hidden ** -0.5 : 1 };
}

/** A table that T5 1.0's checkpoints hold and no layer uses: attention to the encoder has no relative positions. */
const UNUSED = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

function read(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map([...checkpoint.tensors].filter(([name]) => name !== UNUSED));
  return { ...checkpoint, tensors };
}

/** T5 (Raffel et al. 2020), T5 1.1 and Flan-T5. */
export const t5 = {
  names: ["t5"],
  configure,
  open(checkpoint: Checkpoint, folder: string, quant: Quant): Seq2Seq {
    const config = configure(checkpoint.config);
    return new Seq2Seq(config, new Weights(read(checkpoint), folder, quant, namesFor(checkpoint, config)));
  },
};
