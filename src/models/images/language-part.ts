import type { ConfigSource } from "../../weights/checkpoint.ts";
import { llama } from "../architectures/llama.ts";
import { mistral } from "../architectures/mistral.ts";
import { qwen2 } from "../architectures/qwen2.ts";
import type { Fields } from "../config/fields.ts";
import { inSafetensors } from "./clip-vision.ts";

/**
 * The possible decoders of a vision–language model, and transformers' defaults for fields missing from published
 * configurations.
 */
const languages: Readonly<Record<string, { decoder: typeof llama; usual: Readonly<Record<string, number>> }>> = {
  llama: { decoder: llama, usual: sizes(32000, 11008, { max_position_embeddings: 2048 }) },
  mistral: {
    decoder: mistral,
    usual: sizes(32000, 14336, { max_position_embeddings: 131072, num_key_value_heads: 8 }),
  },
  qwen2: { decoder: qwen2, usual: sizes(151936, 22016, { max_position_embeddings: 32768 }) },
};

function sizes(vocabulary: number, ffn: number, more: Readonly<Record<string, number>>) {
  const shared = { hidden_size: 4096, num_hidden_layers: 32, num_attention_heads: 32, rms_norm_eps: 1e-6 };
  return { ...shared, vocab_size: vocabulary, intermediate_size: ffn, rope_theta: 1e4, ...more };
}

/** The architecture of the decoder in `text_config`, and its configuration. @throws UserError if unsupported */
export function languageOf(
  fields: Fields,
  what: string,
): { decoder: typeof llama; source: Extract<ConfigSource, { kind: "huggingface" }> } {
  const text = fields.object("text_config") ?? {};
  const name = text["model_type"] ?? "llama";
  const language = typeof name === "string" ? languages[name] : undefined;
  if (!language) return fields.refuse("text_config.model_type", name, Object.keys(languages).join(", "));
  return {
    decoder: language.decoder,
    source: { ...inSafetensors(fields.source, what), config: { ...language.usual, ...text } },
  };
}
