import type { Metadata } from "../gguf/index.ts";

/** The fields of a GGUF's tokenizer, named like `tokenizer.ggml.*`. Ids are indices into `tokens`. */
export interface TokenizerSource {
  /** The path that names the file in every error. */
  path: string;
  /**
   * "gpt2": byte-level BPE; "llama": SentencePiece's BPE; "gemma4": the same with merges; "t5": Unigram; "bert":
   * WordPiece.
   */
  model: string;
  /** Pre-tokenizer, which splits the text into words before the merges ("gpt2"). */
  pre?: string | undefined;
  /** Token texts by id; for "gpt2", in GPT-2's byte-level alphabet. */
  tokens: readonly string[];
  /** `TokenType` of each token. */
  tokenTypes?: ArrayLike<number> | undefined;
  /** Pairs "left right", the highest priority first ("gpt2", "gemma4"). */
  merges?: readonly string[] | undefined;
  /** The score of each token: its merge priority, the highest first ("llama"), or its log probability ("t5"). */
  scores?: ArrayLike<number> | undefined;
  bos?: number | undefined;
  eos?: number | undefined;
  pad?: number | undefined;
  unk?: number | undefined;
  mask?: number | undefined;
  cls?: number | undefined;
  sep?: number | undefined;
  /** The end of a turn, if it differs from `eos`. */
  eot?: number | undefined;
  /** The end of a message, before a tool's answer. */
  eom?: number | undefined;
  /** Tokens for filling in the middle of a text: before the prefix, before the suffix, and before the middle. */
  fimPrefix?: number | undefined;
  fimSuffix?: number | undefined;
  fimMiddle?: number | undefined;
  addBos?: boolean | undefined;
  addEos?: boolean | undefined;
  /** True to put two separators between two texts. */
  addSep?: boolean | undefined;
  /** True if a space is added before a text's first word ("llama", "gemma4", "t5"). */
  addSpacePrefix?: boolean | undefined;
  /** True if spaces at the ends of a text are removed, and runs of spaces become one ("t5"). */
  removeExtraWhitespaces?: boolean | undefined;
  /** SentencePiece's own normalisation in its precompiled form, as in T5. */
  charsmap?: Uint8Array | undefined;
  /** Jinja source. */
  chatTemplate?: string | undefined;
}

/** Values of `tokenizer.ggml.token_type` (`llama_token_type` in llama.h) for special kinds of tokens. */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/**
 * Reads a GGUF's own tokenizer.
 * @throws UserError that names the file and the key if one is missing or of the wrong type
 */
export function fromGguf(metadata: Metadata): TokenizerSource {
  const at = <T>(key: string, read: (key: string) => T) => (metadata.has(key) ? read(key) : undefined);
  const id = (name: string) => at(`tokenizer.ggml.${name}_token_id`, (key) => metadata.integer(key));
  const flag = (name: string) => at(`tokenizer.ggml.${name}`, (key) => metadata.boolean(key));
  return {
    path: metadata.path,
    model: metadata.string("tokenizer.ggml.model"),
    pre: at("tokenizer.ggml.pre", (key) => metadata.string(key)),
    tokens: metadata.strings("tokenizer.ggml.tokens"),
    tokenTypes: at("tokenizer.ggml.token_type", (key) => metadata.integers(key)),
    merges: at("tokenizer.ggml.merges", (key) => metadata.strings(key)),
    scores: at("tokenizer.ggml.scores", (key) => metadata.numbers(key)) as ArrayLike<number> | undefined,
    bos: id("bos"),
    eos: id("eos"),
    pad: id("padding"),
    unk: id("unknown"),
    mask: id("mask"),
    cls: id("cls"),
    // "seperator" is the spelling in GGUF itself.
    sep: id("seperator") ?? id("separator"),
    eot: id("eot"),
    eom: id("eom"),
    // The second name in each line is from older files.
    fimPrefix: id("fim_pre") ?? id("prefix"),
    fimSuffix: id("fim_suf") ?? id("suffix"),
    fimMiddle: id("fim_mid") ?? id("middle"),
    addBos: flag("add_bos_token"),
    addEos: flag("add_eos_token"),
    addSep: flag("add_sep_token"),
    addSpacePrefix: flag("add_space_prefix"),
    removeExtraWhitespaces: flag("remove_extra_whitespaces"),
    charsmap: at("tokenizer.ggml.precompiled_charsmap", (key) => Uint8Array.from(metadata.integers(key))),
    chatTemplate: at("tokenizer.chat_template", (key) => metadata.string(key)),
  };
}
