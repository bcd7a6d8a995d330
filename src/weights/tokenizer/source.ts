import type { Metadata } from "../gguf/index.ts";

/** What a checkpoint says of its tokenizer, under the names of GGUF's `tokenizer.ggml.*`. Ids are indices into `tokens`. */
export interface TokenizerSource {
  /** Names the file in every error. */
  path: string;
  /** Kind: "gpt2" for byte-level BPE. */
  model: string;
  /** Pre-tokenizer, which cuts the text into words before the merges. */
  pre?: string | undefined;
  /** Token texts by id, in the byte-level alphabet of GPT-2. */
  tokens: readonly string[];
  /** `TokenType` of each token. */
  tokenTypes?: ArrayLike<number> | undefined;
  /** Pairs "left right", the first to be merged first. */
  merges?: readonly string[] | undefined;
  bos?: number | undefined;
  eos?: number | undefined;
  pad?: number | undefined;
  unk?: number | undefined;
  /** End of turn, where it is not `eos`. */
  eot?: number | undefined;
  /** End of message, before a tool's answer. */
  eom?: number | undefined;
  addBos?: boolean | undefined;
  /** Jinja source. */
  chatTemplate?: string | undefined;
}

/** Values of `tokenizer.ggml.token_type` (`llama_token_type` in llama.h) that set a token apart. */
export const TokenType = { unknown: 2, control: 3, userDefined: 4 } as const;

/** Reads a GGUF's own tokenizer. Throws a `UserError` that names the file and the key where one is missing or of the wrong type. */
export function fromGguf(metadata: Metadata): TokenizerSource {
  const at = <T>(key: string, read: (key: string) => T) => (metadata.has(key) ? read(key) : undefined);
  const id = (name: string) => at(`tokenizer.ggml.${name}_token_id`, (key) => metadata.integer(key));
  return {
    path: metadata.path,
    model: metadata.string("tokenizer.ggml.model"),
    pre: at("tokenizer.ggml.pre", (key) => metadata.string(key)),
    tokens: metadata.strings("tokenizer.ggml.tokens"),
    tokenTypes: at("tokenizer.ggml.token_type", (key) => metadata.integers(key)),
    merges: at("tokenizer.ggml.merges", (key) => metadata.strings(key)),
    bos: id("bos"),
    eos: id("eos"),
    pad: id("padding"),
    unk: id("unknown"),
    eot: id("eot"),
    eom: id("eom"),
    addBos: at("tokenizer.ggml.add_bos_token", (key) => metadata.boolean(key)),
    chatTemplate: at("tokenizer.chat_template", (key) => metadata.string(key)),
  };
}
