import { suggest, UserError } from "../../util/errors.ts";
import type { TokenizerSource } from "./source.ts";

/** The parts of a tokenizer.json that GGUF gives by name only (`tokenizer.ggml.pre`): how a text becomes words, before any merge. */
export interface PreTokenizer {
  normalizer: { type: "NFC" } | null;
  pre_tokenizer: { type: "Sequence"; pretokenizers: readonly object[] };
  /** A word that is itself a token is taken whole, whatever the merges say. */
  ignore_merges: boolean;
}

const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** The published patterns say (?i:'s|…), for which Oniguruma folds the long s too, and JavaScript has no flag: here the case is spelt out. */
const CONTRACTION = "'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const tiktoken = (digits: string) =>
  String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** By GGUF's name. Patterns as in the tokenizer.json files of SmolLM2, GPT-2, Qwen2 and Llama 3. */
const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  // The library's Digits knows ASCII digits only; transformers' takes every number of Unicode one by one.
  smollm: byteLevel([String.raw`\p{N}`, GPT2]),
  "gpt-2": byteLevel([GPT2]),
  qwen2: { ...byteLevel([tiktoken(String.raw`\p{N}`)]), normalizer: { type: "NFC" } },
  "llama-bpe": { ...byteLevel([tiktoken(String.raw`\p{N}{1,3}`)]), ignore_merges: true },
};

/** Throws a `UserError` for a pre-tokenizer that is missing or not supported: a wrong one would spoil the model's answers unnoticed. */
export function preTokenizerOf({ path, pre }: TokenizerSource): PreTokenizer {
  if (pre === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.pre" is missing`);
  if (Object.hasOwn(preTokenizers, pre)) return preTokenizers[pre]!;
  const names = Object.keys(preTokenizers);
  const hint = suggest(pre, names) || `, expected one of ${names.join(", ")}`;
  throw new UserError(`${path}: the pre-tokenizer "${pre}" (tokenizer.ggml.pre) is not supported${hint}`);
}

/** Each pattern cuts what the one before it left into its matches and the rest. */
function byteLevel(patterns: readonly string[]): PreTokenizer {
  const splits = patterns.map((Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false }));
  const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  return {
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...splits, bytes] },
    ignore_merges: false,
  };
}
