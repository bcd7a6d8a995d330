import { z } from "zod";
import { ROTARY_STEP } from "../../graph/index.ts";
import type { Activation } from "../../nn/mlp.ts";
import type { Norm } from "../../nn/norm.ts";
import { UserError } from "../../util/errors.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import type { EncoderConfig } from "../encoder/encoder.ts";
import type { Fields } from "./fields.ts";
import { readRope } from "./rope.ts";

const size = (most: number) => z.int().min(1).max(most);

/** Limits on the sizes in an untrusted file, to bound allocations. */
export const sizes = z.object({
  layers: size(1000),
  hidden: size(1 << 16),
  heads: size(1024),
  kvHeads: size(1024),
  headSize: z.int().min(2).max(1024),
  ffn: size(1 << 20),
  vocabulary: size(1 << 21),
  context: size(1 << 22),
  epsilon: z.number().positive().max(1),
});
export type Sizes = z.infer<typeof sizes>;

/** Limits on sizes, for all state-space models. */
export const recurrentSizes = sizes
  .pick({ layers: true, hidden: true, vocabulary: true, context: true, epsilon: true })
  .extend({ stateSize: size(4096), convWidth: z.int().min(2).max(64) });

/** Checks a configuration's values. @throws UserError that names the field, its value and the expected one */
export function checkValues<T>(schema: z.ZodType<T>, { path: file }: ConfigSource, values: unknown): T {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new UserError(`${file}: the model's ${path.join(".")}: ${message}, got ${valueAt(values, path)}`);
}

/** Like `checkValues`, for a model with attention. */
export function checkConfig<T extends Sizes>(schema: z.ZodType<T>, source: ConfigSource, values: unknown): T {
  const config = checkValues(schema, source, values);
  const { heads, kvHeads } = config;
  if (heads % kvHeads !== 0)
    throw new UserError(`${source.path}: ${heads} attention heads cannot share ${kvHeads} key-value heads evenly`);
  return config;
}

const valueAt = (values: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce((value, key) => (value as Record<PropertyKey, unknown>)[key], values);

/** The width of a head; by default, the hidden width divided by the number of heads. */
export const readHeadSize = (fields: Fields): number =>
  fields.optional("attention.key_length", "head_dim") ??
  fields.number("embedding_length", "hidden_size") / fields.number("attention.head_count", "num_attention_heads");

/** Sizes that an architecture reads itself. With latents, every head has its own keys and values. */
type OwnSizes = Pick<Partial<TransformerConfig>, "latent" | "kvHeads" | "headSize" | "ffn" | "context">;

/** The checked sizes of a model; `epsilon` applies to architectures that do not configure it. */
function readSizes(fields: Fields, norm: Norm["kind"], epsilon?: number, own: OwnSizes = {}): Sizes {
  const { latent } = own;
  const hidden = fields.number("embedding_length", "hidden_size");
  const heads = fields.number("attention.head_count", "num_attention_heads");
  return checkConfig(sizes, fields.source, {
    hidden,
    heads,
    // A GGUF's count includes multi-token prediction (MTP) layers.
    layers: fields.number("block_count", "num_hidden_layers") - fields.number("nextn_predict_layers", undefined, 0),
    kvHeads:
      own.kvHeads ?? (latent ? heads : readShared(fields, "attention.head_count_kv", "num_key_value_heads", heads)),
    headSize: own.headSize ?? (latent ? latent.plain + latent.rotated : readHeadSize(fields)),
    ffn:
      own.ffn ??
      readShared(fields, "feed_forward_length", "intermediate_size", norm === "layer" ? 4 * hidden : undefined),
    vocabulary: readVocabulary(fields),
    context: own.context ?? fields.number("context_length", "max_position_embeddings"),
    epsilon:
      norm === "rms"
        ? fields.number("attention.layer_norm_rms_epsilon", "rms_norm_eps")
        : fields.number("attention.layer_norm_epsilon", "layer_norm_eps", epsilon),
  });
}

/** A number shared by all layers. If a GGUF has one number per layer, all numbers other than 0 must be equal. */
function readShared(fields: Fields, gguf: string, huggingface: string, fallback?: number): number {
  const each = numbersByLayer(fields, gguf)?.filter((number) => number > 0);
  if (!each) return fields.number(gguf, huggingface, fallback);
  const [first = fallback ?? 0] = each;
  const other = each.find((number) => number !== first);
  return other === undefined ? first : fields.refuse(gguf, other, `0 or ${first} in every layer`);
}

/** A GGUF's numbers per layer; undefined if it has one number for all layers. */
export function numbersByLayer({ source, architecture }: Fields, key: string): readonly number[] | undefined {
  if (source.kind !== "gguf") return undefined;
  const name = `${architecture}.${key}`;
  return typeof source.metadata.get(name) === "object" ? [...source.metadata.integers(name)] : undefined;
}

/** The model's number of tokens. */
export function readVocabulary(fields: Fields): number {
  const { source, architecture } = fields;
  if (source.kind !== "gguf") return fields.number(undefined, "vocab_size");
  const { metadata } = source;
  const key = `${architecture}.vocab_size`;
  return metadata.has(key) ? metadata.integer(key) : metadata.strings("tokenizer.ggml.tokens").length;
}

const ATTENTION = ["attn_q", "attn_k", "attn_v", "attn_output"];
const MLP = ["ffn_gate", "ffn_up", "ffn_down"];
/** A dense layer's matrices. */
export const MATRICES = [...ATTENTION, ...MLP];

/** A decoder's configuration: common fields from either format, and the architecture's `own` ones. */
export function readTransformer(fields: Fields, own: Partial<TransformerConfig> = {}): TransformerConfig {
  requireCausal(fields, own.denoiser === undefined);
  const config = readSizes(fields, own.norm ?? "rms", undefined, own);
  const { headSize, context } = config;
  const rope = own.rope ? undefined : readRope(fields, headSize, context, undefined, true, own.latent?.rotated);
  return {
    ...config,
    ...paddedHeads(fields, config.headSize, own),
    norm: "rms",
    norms: "before",
    biases: [...(fields.flag("attention_bias") ? ATTENTION : []), ...(fields.flag("mlp_bias") ? MLP : [])],
    fused: false,
    activation: "silu",
    gated: true,
    pairs: "half",
    rope: () => rope,
    longRopeBeyond: rope?.scaling?.type === "long" ? rope.scaling.original : undefined,
    window: () => undefined,
    learnedPositions: false,
    attentionScale: () => 1 / Math.sqrt(config.headSize),
    embeddingScale: 1,
    residualScale: 1,
    logitScale: 1,
    ...own,
  };
}

/** Pads heads with zeros to a size that the kernel supports. @throws UserError if experts' heads need padding */
function paddedHeads(
  { source }: Fields,
  stored: number,
  { experts }: Partial<TransformerConfig>,
): Pick<TransformerConfig, "headSize" | "storedHeadSize"> {
  const padded = Math.ceil(stored / ROTARY_STEP) * ROTARY_STEP;
  if (padded === stored) return { headSize: stored };
  if (experts?.attention)
    throw new UserError(
      `${source.path}: the width of expert heads must be a multiple of ${ROTARY_STEP}, got ${stored}`,
    );
  return { headSize: padded, storedHeadSize: stored };
}

const activations: Readonly<Record<string, Activation>> = {
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  quick_gelu: "gelu-quick",
  relu: "relu",
  silu: "silu",
};

/** Reads the activation; `usual` if none is configured. */
export function readActivation(fields: Fields, key: string, usual: Activation): Activation {
  const { source, architecture } = fields;
  const act = source.kind === "gguf" ? source.metadata.get(`${architecture}.hidden_act`) : fields.value(key);
  if (act === undefined) return usual;
  return (
    (typeof act === "string" ? activations[act] : undefined) ??
    fields.refuse(key, act, Object.keys(activations).join(", "))
  );
}

/** An encoder's configuration: common fields, and the architecture's `own` ones. */
export function readEncoder(
  fields: Fields,
  own: Partial<EncoderConfig> & Pick<EncoderConfig, "classifier">,
  epsilon?: number,
): EncoderConfig {
  const config = readSizes(fields, "layer", epsilon);
  fields.only("tie_word_embeddings", [true]);
  requireCausal(fields, false);
  const activation = readActivation(fields, "hidden_act", "gelu");
  return {
    ...config,
    norms: "after",
    shifted: true,
    fused: false,
    gated: false,
    activation,
    types: 0,
    firstPosition: 0,
    positions: config.context,
    rope: () => undefined,
    reach: () => undefined,
    labels: labelsOf(fields),
    predictor: { dense: "mlm", activation, norm: "mlm_norm", output: "mlm_output" },
    ...own,
  };
}

/** Refuses a configuration that contradicts the model: attention is bidirectional in an encoder and causal in a decoder. */
function requireCausal(fields: Fields, causal: boolean): void {
  const { source, architecture } = fields;
  fields.only(causal ? "is_causal" : "is_decoder", [causal]);
  const key = `${architecture}.attention.causal`;
  if (source.kind !== "gguf" || source.metadata.boolean(key, causal) === causal) return;
  const why = causal ? "a decoder's tokens do not see later ones" : "an encoder's tokens see all others";
  throw new UserError(`${source.path}: "${key}" is ${!causal}, expected ${causal}: ${why}`);
}

/** The number of class names in the configuration. */
function labelsOf(fields: Fields): number {
  const { source, architecture } = fields;
  if (source.kind === "gguf") return source.metadata.strings(`${architecture}.classifier.output_labels`, [""]).length;
  return Object.keys(fields.object("id2label") ?? { 0: "", 1: "" }).length;
}
