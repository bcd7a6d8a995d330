import type { Fields } from "../config/fields.ts";
import type { DenoiserConfig } from "./decoder.ts";

/** Reads the configuration of a model that fills in masked tokens. */
export function readDenoiser(fields: Fields, shifted: boolean): DenoiserConfig {
  const { source } = fields;
  const key = "tokenizer.ggml.mask_token_id";
  const mask =
    source.kind === "gguf"
      ? source.metadata.has(key)
        ? source.metadata.number(key)
        : undefined
      : fields.optional(undefined, "mask_token_id");
  return { mask, shifted };
}
