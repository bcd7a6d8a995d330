import { suggest, UserError } from "../../util/errors.ts";
import type { Separators } from "./gguf-kind.ts";
import { type Normalizer, normalizer } from "./normalizer.ts";
import { type PreTokenizer, preTokenizer } from "./pretokenizer.ts";

/** The parts of a tokenizer.json that GGUF gives by name only (`tokenizer.ggml.pre`): how a text becomes words, before any merge. */
export interface Preset {
  normalizer?: Normalizer;
  preTokenizer: PreTokenizer;
  /** A word that is itself a token is taken whole, whatever the merges say. */
  ignoreMerges?: true;
  /** Whether a prompt begins with bos where the file does not say. */
  addBos?: true;
  separators?: Separators;
}

const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** The published patterns say (?i:'s|…), for which Oniguruma folds the long s too, and JavaScript has no flag: here the case is spelt out. */
const CONTRACTION = "'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const BREAKS = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const tiktoken = (digits: string, letters = String.raw`\p{L}`) =>
  String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?[${letters}]+|${digits}| ?[^\s${letters}\p{N}]+[\r\n]*|${BREAKS}`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const cased = (digits: string, ending: string) =>
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${ending}|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${ending}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${BREAKS}`;
const DEEPSEEK_V3 = String.raw`[!-/:-@\[-\x60{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${BREAKS}`;
/** Letters of scripts with case, as DeepSeek LLM's tokenizer.json lists them. */
const CASED =
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";
const THREE_DIGITS = String.raw`\p{N}{1,3}`;
const DIGIT = String.raw`\p{N}`;

const gpt2 = byteLevel([GPT2]);
const starcoder = byteLevel([DIGIT, GPT2]);
const llama3: () => Preset = () => ({ ...byteLevel([tiktoken(THREE_DIGITS)])(), ignoreMerges: true, addBos: true });
const qwen2 = composed(byteLevel([tiktoken(DIGIT)]));

/**
 * By GGUF's name. Patterns as in the tokenizer.json files of the models that the names are after (SmolLM2, StarCoder, GPT-2, Qwen2, Llama 3, GPT-OSS,
 * DeepSeek, Mistral NeMo); which models share one is llama.cpp's list (llama-vocab.cpp).
 */
const presets: Readonly<Record<string, () => Preset>> = {
  smollm: starcoder,
  starcoder,
  refact: starcoder,
  "gpt-2": gpt2,
  "phi-2": gpt2,
  "roberta-bpe": () => ({ ...gpt2(), separators: "two" }),
  "modern-bert": () => ({ ...composed(gpt2)(), separators: "one" }),
  qwen2,
  "deepseek-r1-qwen": qwen2,
  qwen35: composed(byteLevel([tiktoken(DIGIT, String.raw`\p{L}\p{M}`)])),
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  dbrx: byteLevel([tiktoken(THREE_DIGITS)]),
  "gpt-4o": () => ({ ...byteLevel([cased(THREE_DIGITS, `(?:${CONTRACTION})?`)])(), ignoreMerges: true }),
  tekken: () => ({ ...byteLevel([cased(DIGIT, "")])(), ignoreMerges: true }),
  "deepseek-llm": byteLevel([
    String.raw`[\r\n]`,
    String.raw`\s?[${CASED}]+`,
    String.raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`,
    String.raw`\s+$`,
    "[一-龥ࠀ-一가-퟿]+",
    DIGIT,
  ]),
  "deepseek-coder": byteLevel([
    String.raw`[\r\n]`,
    String.raw`\s?\p{L}+`,
    String.raw`\s?\p{P}+`,
    "[一-龥ࠀ-一가-퟿]+",
    DIGIT,
  ]),
  "deepseek-v3": byteLevel([THREE_DIGITS, "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK_V3]),
};

/** Throws a `UserError` for a pre-tokenizer that is missing or not supported: a wrong one would spoil the model's answers unnoticed. */
export function presetOf({ path, pre }: { path: string; pre?: string | undefined }): Preset {
  if (pre === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.pre" is missing`);
  if (Object.hasOwn(presets, pre)) return presets[pre]!();
  const names = Object.keys(presets);
  const hint = suggest(pre, names) || `, expected one of ${names.join(", ")}`;
  throw new UserError(`${path}: the pre-tokenizer "${pre}" (tokenizer.ggml.pre) is not supported${hint}`);
}

/** Each pattern cuts what the one before it left into its matches and the rest. */
function byteLevel(patterns: readonly string[]): () => Preset {
  return () => {
    const splits = patterns.map((Regex) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated" }));
    const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
    return { preTokenizer: preTokenizer({ type: "Sequence", pretokenizers: [...splits, bytes] }) };
  };
}

function composed(preset: () => Preset): () => Preset {
  return () => ({ ...preset(), normalizer: normalizer({ type: "NFC" }) });
}
