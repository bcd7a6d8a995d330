import { UserError } from "../../util/errors.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";

/** Keys in the authors' own `config.json` (state-spaces/mamba), with Hugging Face's keys for them. */
const top = { d_model: "hidden_size", n_layer: "num_hidden_layers", tie_embeddings: "tie_word_embeddings" };
const mixer = {
  d_state: "state_size",
  d_conv: "conv_kernel",
  expand: "expand",
  headdim: "head_dim",
  ngroups: "n_groups",
  dt_rank: "time_step_rank",
};

/** Converts Mamba's original configuration to Hugging Face's keys. @throws UserError for layers without mixers */
export function inHuggingFaceKeys(source: ConfigSource): ConfigSource {
  // Converted files contain both kinds of keys; Hugging Face's take precedence.
  if (source.kind === "gguf" || !("d_model" in source.config) || source.config["hidden_size"] !== undefined)
    return source;
  const { config, path } = source;
  if ((config["attn_layer_idx"] as unknown[] | undefined)?.length)
    throw new UserError(`${path}: "attn_layer_idx" names attention layers; hybrid models are not supported`);
  const own = (config["ssm_cfg"] ?? {}) as Readonly<Record<string, unknown>>;
  const second = own["layer"] === "Mamba2";
  const read = (from: Readonly<Record<string, unknown>>, keys: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(keys).flatMap(([key, to]) => (key in from ? [[to, from[key]]] : [])));
  const sizes = { state_size: second ? 128 : 16, ...(second && { n_groups: 1, head_dim: 64 }), ...read(own, mixer) };
  const values: Record<string, unknown> = { ...config, ...sizes, ...read(config, top) };
  const padded = roundedUp(config["vocab_size"], config["pad_vocab_size_multiple"] ?? 8);
  return { ...source, config: { ...values, vocab_size: padded, ...(second && { num_heads: headsOf(values) }) } };
}

/** Rounds a number up; other values are returned unchanged, and refused when they are read. */
function roundedUp(value: unknown, multiple: unknown): unknown {
  if (typeof value !== "number" || typeof multiple !== "number" || multiple <= 0) return value;
  return Math.ceil(value / multiple) * multiple;
}

const headsOf = (values: Readonly<Record<string, unknown>>): number =>
  (Number(values["expand"] ?? 2) * Number(values["hidden_size"])) / Number(values["head_dim"]);
