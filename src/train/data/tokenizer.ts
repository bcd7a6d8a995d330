import { alphabet } from "../../weights/tokenizer/alphabet.ts";
import type { TokenizerFiles } from "../../weights/tokenizer/files.ts";

/** The token that ends a text. */
const END = "<|endoftext|>";
/** The token that begins a text. */
const START = "<|startoftext|>";

/**
 * A tokenizer with one token per distinct character of the texts, sorted by code point, then an end token. Encoding
 * drops unknown characters.
 */
export function characterTokenizer(texts: Iterable<string>): TokenizerFiles {
  const alphabet = new Set<string>();
  for (const text of texts) for (const character of text) alphabet.add(character);
  const characters = [...alphabet].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  return filesOf(characters, { pre_tokenizer: null, decoder: { type: "Sequence", decoders: [{ type: "Fuse" }] } });
}

/** Each byte of UTF-8 is a token, with the byte as its id; token 256 ends texts. */
export function byteTokenizer(): TokenizerFiles {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  return filesOf(alphabet, { pre_tokenizer: byteLevel, decoder: byteLevel });
}

/**
 * A tokenizer with one token per lower-case word of the texts; unknown words are split into bytes. A text begins with a
 * start token and ends with an end token, as in CLIP.
 */
export function wordTokenizer(texts: Iterable<string>): TokenizerFiles {
  const words = new Set<string>();
  for (const text of texts) for (const word of text.toLowerCase().match(/[^\s\p{P}]+/gu) ?? []) words.add(` ${word}`);
  const tokens = [...alphabet, ...[...words].sort().map((word) => word.replace(" ", "\u0120")), START];
  return filesOf(tokens, {
    normalizer: { type: "Lowercase" },
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
    post_processor: {
      ...{ type: "RobertaProcessing", sep: [END, tokens.length], cls: [START, tokens.length - 1] },
      ...{ trim_offsets: false, add_prefix_space: false },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
    wholeWords: true,
    padded: true,
  });
}

interface Components {
  readonly normalizer?: object;
  readonly pre_tokenizer: object | null;
  readonly post_processor?: object;
  readonly decoder: object;
  /** A word that is a token is not split into bytes. */
  readonly wholeWords?: boolean;
  /** The end token is also the padding. */
  readonly padded?: boolean;
}

function filesOf(tokens: readonly string[], components: Components): TokenizerFiles {
  const {
    normalizer = null,
    pre_tokenizer,
    post_processor = null,
    decoder,
    wholeWords = false,
    padded = false,
  } = components;
  const vocab = Object.fromEntries([...tokens, END].map((token, id) => [token, id]));
  const end = { id: tokens.length, content: END, single_word: false, lstrip: false, rstrip: false, normalized: false };
  const tokenizer = {
    ...{ version: "1.0", truncation: null, padding: null, added_tokens: [{ ...end, special: true }] },
    ...{ normalizer, pre_tokenizer, post_processor, decoder },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: wholeWords, vocab, merges: [] },
    },
  };
  const config = {
    ...{ tokenizer_class: "PreTrainedTokenizerFast", bos_token: END, eos_token: END },
    ...(padded ? { pad_token: END } : {}),
    clean_up_tokenization_spaces: false,
  };
  return { "tokenizer.json": json(tokenizer), "tokenizer_config.json": json(config) };
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
