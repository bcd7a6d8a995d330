import { few, suggest, UserError } from "../../util/errors.ts";
import type { Separators } from "./gguf-kind.ts";
import { type Normalizer, normalizer } from "./normalizer.ts";
import { type PreTokenizer, preTokenizer } from "./pretokenizer.ts";

const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/**
 * The published patterns use (?i:'s|…), in which Oniguruma also matches the long s. JavaScript has no such flag, so the
 * cases are spelled out.
 */
const CONTRACTION = "'[sSſ]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const BREAKS = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const tiktoken = (digits: string, letters = String.raw`\p{L}`) =>
  String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?[${letters}]+|${digits}| ?[^\s${letters}\p{N}]+[\r\n]*|${BREAKS}`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const cased = (digits: string, ending: string) =>
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${ending}|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${ending}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${BREAKS}`;
const DEEPSEEK_V3 = String.raw`[!-/:-@\[-\x60{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${BREAKS}`;
/** Letters of scripts with case, from DeepSeek LLM's tokenizer.json; escaped where normalisation would change them. */
const CASED =
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";
const THREE_DIGITS = String.raw`\p{N}{1,3}`;
const DIGIT = String.raw`\p{N}`;

/** Falcon's tokenizer.json: runs of punctuation, words as in GPT-2, and groups of three digits. */
const FALCON = [String.raw`[\p{P}$+<=>^~|\x60]+`, GPT2, "[0-9][0-9][0-9]"];
/** BLOOM's words: everything between white space and these marks, with one preceding space. */
const BLOOM = String.raw` ?[^(\s|.,!?…。，、।۔،)]+`;
const BAILING = String.raw`'(?:[sSſdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`;
const SEED_CODER = String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|${BREAKS}`;

/**
 * The parts of a tokenizer.json that a GGUF only names (`tokenizer.ggml.pre`): the rules for splitting a text into
 * words, before any merge.
 */
export interface Preset {
  normalizer?: Normalizer;
  preTokenizer: PreTokenizer;
  /** The normalizer and the pre-tokenizer, as in a tokenizer.json. */
  written: { normalizer: object | null; pre_tokenizer: object };
  /** If true, a word that is itself a token is not split, regardless of merges. */
  ignoreMerges?: true;
  /** True to begin prompts with bos by default. */
  addBos?: true;
  separators?: Separators;
}

const gpt2 = byteLevel([GPT2]);
const starcoder = byteLevel([DIGIT, GPT2]);
const tiktoken1 = byteLevel([tiktoken(DIGIT)]);
const tiktoken3 = byteLevel([tiktoken(THREE_DIGITS)]);
const roberta = () => ({ ...gpt2(), separators: "two" }) as const;
const deepseek3 = byteLevel([THREE_DIGITS, "[一-龥\u3040-ゟ゠-ヿ]+", DEEPSEEK_V3]);
const gpt4o = () => ({ ...byteLevel([cased(THREE_DIGITS, `(?:${CONTRACTION})?`)])(), ignoreMerges: true }) as const;

/**
 * Presets by GGUF's names. Patterns come from the tokenizer.json files of the named models (SmolLM2, StarCoder, GPT-2,
 * Qwen2, Llama 3, GPT-OSS, DeepSeek, Mistral NeMo, Falcon, BLOOM, Seed-Coder, Ling); llama.cpp's list shows which names
 * share a pattern (llama-vocab.cpp). Normal forms, which that list omits, come from Qwen2, Command R and GPT-NeoX,
 * whose tokenizer OLMo and MPT use.
 */
const families: readonly (readonly [names: string, preset: () => Preset])[] = [
  ["smollm starcoder refact codeshell exaone minerva-7b", starcoder],
  ["command-r", composed(starcoder)],
  [
    "gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat a.x-4.0 mellum exaone4 jais trillion granite-docling",
    gpt2,
  ],
  ["olmo mpt", composed(gpt2)],
  ["roberta-bpe jina-v1-en jina-v2-code", roberta],
  ["modern-bert", () => ({ ...composed(gpt2)(), separators: "one" })],
  ["qwen2 deepseek-r1-qwen", composed(tiktoken1)],
  ["stablelm2 megrez kormo f2llmv2 hunyuan grok-2", tiktoken1],
  ["qwen35", composed(byteLevel([tiktoken(DIGIT, String.raw`\p{L}\p{M}`)]))],
  [
    "llama-bpe llama3 llama-v3 falcon3 falcon-h1 midm-2.0 lfm2",
    () => ({ ...tiktoken3(), ignoreMerges: true, addBos: true }),
  ],
  ["dbrx smaug-bpe glm4 chatglm-bpe", tiktoken3],
  ["gpt-4o llama4 kanana2", gpt4o],
  ["tekken", () => ({ ...byteLevel([cased(DIGIT, "")])(), ignoreMerges: true })],
  ["falcon", byteLevel(FALCON)],
  ["bloom poro-chat gpt3-finnish", byteLevel([BLOOM])],
  ["viking", byteLevel([BLOOM, DIGIT])],
  ["bailingmoe bailingmoe2 llada-moe", byteLevel([BAILING])],
  ["seed-coder", byteLevel([SEED_CODER])],
  [
    "deepseek-llm",
    byteLevel([
      String.raw`[\r\n]`,
      String.raw`\s?[${CASED}]+`,
      String.raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`,
      String.raw`\s+$`,
      "[一-龥ࠀ-一가-퟿]+",
      DIGIT,
    ]),
  ],
  [
    "deepseek-coder",
    byteLevel([String.raw`[\r\n]`, String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, "[一-龥ࠀ-一가-퟿]+", DIGIT]),
  ],
  ["deepseek-v3 hunyuan-dense", deepseek3],
];

const presets = new Map(families.flatMap(([names, preset]) => names.split(" ").map((name) => [name, preset])));

/** Texts that no two presets split in the same way. */
const PROBE = [
  "Don't I'LL we've it'ſ 1234567 3.14 $5+6<=7 a_b/c.d\n\n  x\t\ty  \r\n z ",
  "café cafe\u0301 Straße ИВАН иван Ωμέγα naïve ٣٤٥ ½ x²",
  "你好，世界。こんにちは 안녕하세요 ไทย हिन्दी مرحبا ʰɑ 🙂👩‍👩‍👧 … — «ok» «!?» ",
  "camelCaseHTTPServer2Go (a|b)!! /* x */ ...\n}\n  if (x) {\r\n\treturn y; }\n",
].join("\n");

/** GGUF's name for a tokenizer.json's pre-tokenizer, if any. */
export function presetName(own: Pick<Preset, "normalizer" | "preTokenizer" | "ignoreMerges">): string | undefined {
  const words = (preset: typeof own) => JSON.stringify(preset.preTokenizer(preset.normalizer?.(PROBE) ?? PROBE, true));
  const wanted = words(own);
  const found = families.find(([, preset]) => {
    const candidate = preset();
    return candidate.ignoreMerges === own.ignoreMerges && words(candidate) === wanted;
  });
  return found?.[0].split(" ")[0];
}

/** @throws UserError for a missing or unsupported pre-tokenizer: a wrong one would silently spoil answers */
export function presetOf({ path, pre }: { path: string; pre?: string | undefined }): Preset {
  if (pre === undefined) throw new UserError(`${path}: metadata "tokenizer.ggml.pre" is missing`);
  const preset = presets.get(pre);
  if (preset) return preset();
  if (pre === "default")
    throw new UserError(
      `${path}: "tokenizer.ggml.pre" is "default": the file's converter did not know the model's pre-tokenizer; use a file from a newer converter`,
    );
  const names = [...presets.keys()];
  const hint = suggest(pre, names) || `; expected one of ${few(names)}`;
  throw new UserError(`${path}: the pre-tokenizer "${pre}" (tokenizer.ggml.pre) is not supported${hint}`);
}

/** Each pattern splits the previous pattern's parts into its matches and the rest. */
function byteLevel(patterns: readonly string[]): () => Preset {
  return () => {
    const splits = patterns.map((Regex) => ({
      type: "Split",
      pattern: { Regex },
      behavior: "Isolated",
      invert: false,
    }));
    const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
    const pre_tokenizer = { type: "Sequence", pretokenizers: [...splits, bytes] };
    return { preTokenizer: preTokenizer(pre_tokenizer), written: { normalizer: null, pre_tokenizer } };
  };
}

function composed(preset: () => Preset): () => Preset {
  return () => {
    const { written, ...rest } = preset();
    const nfc = { type: "NFC" };
    return { ...rest, normalizer: normalizer(nfc), written: { ...written, normalizer: nfc } };
  };
}
